"""Only whole checkpoints that fit are believed; the rest is passed over with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train import damage
from tests.train.ranks import run_ranks

pytestmark = pytest.mark.slow

Seen = dict[str, tuple[str | None, tuple[str, ...]]]


@pytest.fixture(scope="module")
def ranks(root: Path) -> list[Seen]:
    return run_ranks(2, damage.damaged_checkpoints, root)


@pytest.fixture(scope="module")
def seen(ranks: list[Seen]) -> Seen:
    return ranks[0]


def test_ranks_never_differ_on_what_they_load(ranks: list[Seen]) -> None:
    assert ranks[0] == ranks[1]


def test_the_newest_whole_one_is_loaded(seen: Seen) -> None:
    assert seen["untouched"] == ("3", ())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("unmarked", "step-000003: COMPLETE.json: found none"),
        ("torn marker", "step-000003: COMPLETE.json: found none"),
        ("part missing", "found no such file"),
        ("part truncated", "bytes, expected"),
        ("altered", "found other content than was recorded"),
    ],
)
def test_a_damaged_one_gives_way_to_the_one_before_with_the_reason(
    seen: Seen, damage: str, reason: str
) -> None:
    loaded, passed_over = seen[damage]
    assert loaded == "2"
    assert len(passed_over) == 1
    assert reason in passed_over[0]


def test_without_a_whole_one_nothing_is_loaded(seen: Seen) -> None:
    loaded, passed_over = seen["both gone"]
    assert loaded is None
    assert len(passed_over) == 2


def test_an_overtaken_attempt_leaves_what_the_later_one_saved_at_the_same_update(
    seen: Seen,
) -> None:
    assert seen["overtaken"] == ("3", ())


def test_state_that_began_with_other_weights_is_passed_over(seen: Seen) -> None:
    loaded, passed_over = seen["start"]
    assert loaded is None
    assert "found a training that began with digest, expected another parent" in passed_over[0]
