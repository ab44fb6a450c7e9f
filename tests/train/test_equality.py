"""Ranks, micro-batches, accumulation and ZeRO stages change a result by rounding only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests.train import scenes
from tests.train.ranks import run_ranks

pytestmark = pytest.mark.slow

WAYS = ((0, 8), (1, 8), (2, 8), (3, 8), (0, 1), (1, 1), (2, 1), (3, 1))
"""(ZeRO stage, micro-batch); an update has 8 examples, some of two windows."""

TOLERANCE = 2e-6
"""Weights move by about a thousand times as much."""

Masters = dict[str, Tensor]


@pytest.fixture(scope="module")
def plain(root: Path) -> Masters:
    return scenes.plain_torch(root)


@pytest.fixture(scope="module")
def two_ranks(root: Path) -> list[dict[str, Any]]:
    return run_ranks(2, scenes.engines, root, 2, WAYS)


def differ_by(some: Masters, other: Masters) -> float:
    """The largest difference of any weight."""
    assert some.keys() == other.keys()
    return max(float((some[name] - other[name]).abs().max()) for name in some)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"zero {way[0]}, micro-batch {way[1]}")
def test_two_ranks_give_what_bare_torch_gives(
    two_ranks: list[dict[str, Any]], plain: Masters, way: tuple[int, int]
) -> None:
    first, second = (rank["ends"][WAYS.index(way)] for rank in two_ranks)
    assert differ_by(first, plain) < TOLERANCE
    assert differ_by(first, second) == 0


def test_one_rank_gives_what_bare_torch_gives(root: Path, plain: Masters) -> None:
    whole, accumulated = run_ranks(1, scenes.engines, root, 1, ((1, 16), (1, 1)))[0]["ends"]
    assert differ_by(whole, plain) < TOLERANCE
    assert differ_by(accumulated, plain) < TOLERANCE


def test_masters_start_as_the_files_weights_not_as_their_bf16_rounding(
    two_ranks: list[dict[str, Any]],
) -> None:
    assert two_ranks[0]["starts"] == {0: True, 1: True, 2: True, 3: True}
