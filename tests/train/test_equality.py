"""Ranks, micro-batches, accumulation and ZeRO stages change a result by rounding only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from tests.train import mixed, scenes
from tests.train.ranks import run_ranks
from xtl.train.settings import EngineSettings

pytestmark = pytest.mark.slow

WAYS = ((0, 8), (1, 8), (2, 8), (3, 8), (0, 1), (1, 1), (2, 1), (3, 1))
"""(ZeRO stage, micro-batch); an update has 8 examples, some of two windows."""

WHOLE = 64
"""A micro-batch that any update fits in."""

COVERING = {
    "span-qa": ((1, WHOLE), (2, 1)),
    "sentence-pair": ((2, WHOLE), (3, 1)),
    "multiple-choice": ((3, WHOLE), (0, 1)),
    "tagging": ((0, WHOLE), (1, 1)),
    "masked-lm": ((3, WHOLE), (1, 1)),
    "several tasks": ((2, WHOLE), (3, 1)),
}
"""Ways of two ranks by the kind of training: every stage, accumulated and not."""

EVERY = tuple((stage, micro_batch) for stage in range(4) for micro_batch in (WHOLE, 1))

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


def test_masters_start_as_the_files_weights_not_as_their_bf16_rounding(
    two_ranks: list[dict[str, Any]],
) -> None:
    assert two_ranks[0]["starts"] == {0: True, 1: True, 2: True, 3: True}


def in_bare_torch(root: Path, kind: str) -> Masters:
    return scenes.in_bare_torch(mixed.parity_job(root, kind, EngineSettings(1, 0, WHOLE)))


@pytest.fixture(scope="module")
def alone(root: Path) -> dict[str, list[Masters]]:
    """One rank's, accumulated and not."""
    ways = dict.fromkeys(mixed.KINDS, ((1, WHOLE), (0, 1)))
    (found,) = run_ranks(1, mixed.masters, root, ways)
    return dict(found)


@pytest.fixture(scope="module")
def together(root: Path) -> dict[str, list[Masters]]:
    first, second = run_ranks(2, mixed.masters, root, COVERING)
    assert first.keys() == second.keys()
    return dict(first)


@pytest.mark.parametrize("kind", mixed.KINDS)
def test_one_rank_gives_what_bare_torch_gives_accumulated_or_not(
    root: Path, alone: dict[str, list[Masters]], kind: str
) -> None:
    """Of all heads too: each has a gradient in every update, of zero where it has no part."""
    for masters in alone[kind]:
        assert differ_by(masters, in_bare_torch(root, kind)) < TOLERANCE


@pytest.mark.parametrize("kind", mixed.KINDS)
def test_two_ranks_give_what_one_gives(
    alone: dict[str, list[Masters]], together: dict[str, list[Masters]], kind: str
) -> None:
    for masters in together[kind]:
        assert differ_by(masters, alone[kind][0]) < TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize("kind", mixed.KINDS)
def test_so_they_do_under_every_stage(root: Path, kind: str) -> None:
    first, second = run_ranks(2, mixed.masters, root, {kind: EVERY})
    plain = in_bare_torch(root, kind)
    for one, other in zip(first[kind], second[kind], strict=True):
        assert differ_by(one, plain) < TOLERANCE
        assert differ_by(one, other) == 0
