"""A training goes on under another number of ranks, or is refused; it never begins again unasked.

Masters, moments and steps are those saved, to the bit. What follows is the training that was not
interrupted, to rounding: sums over ranks are taken in another order, and in bf16 rounded elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train import worlds
from tests.train.ranks import run_ranks
from tests.train.worlds import BEST, SAVED, UPDATES, Case, Ending, Masters

Endings = dict[tuple[int, ...], dict[Case, Ending]]
"""By the ranks that saved, and those that took over if others did."""

COVERING = [Case("span-qa", 1, "bf16")]

EVERY = [
    *(Case("span-qa", stage, precision) for stage in range(3) for precision in ("bf16", "fp32")),
    Case("several tasks", 1, "bf16"),
    Case("several tasks", 2, "fp32"),
    Case("masked-lm", 1, "fp32"),
    Case("tagging", 0, "bf16"),
]

TOLERANCE = {"fp32": 2e-6, "bf16": 1e-3}
"""Of a loss, which falls by about 0.03 an update."""


def passages(root: Path, cases: list[Case]) -> Endings:
    """From one rank to two, and back."""
    (one,) = run_ranks(1, worlds.saved, root, cases)
    two, one_two = run_ranks(2, worlds.both, root, cases, 1)[0]
    (two_one,) = run_ranks(1, worlds.taken_over, root, cases, 2)
    return {(1,): one, (2,): two, (1, 2): one_two, (2, 1): two_one}


@pytest.fixture(scope="module")
def covering(root: Path) -> Endings:
    return passages(root, COVERING)


@pytest.fixture(scope="module")
def every(root: Path) -> Endings:
    """To three ranks too, whose parts are of other sizes and paddings."""
    folder = root / "every"
    folder.mkdir()
    (folder / "model").symlink_to(root / "model")
    endings = passages(folder, EVERY)
    return endings | {(2, 3): run_ranks(3, worlds.taken_over, folder, EVERY, 2)[0]}


def equal(some: Masters, other: Masters) -> bool:
    return some.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in some.items()
    )


def require_the_same_training(endings: Endings, way: tuple[int, int], case: Case) -> None:
    before, after = endings[way[:1]][case], endings[way][case]
    assert equal(after.state.masters, before.state.masters)
    for kind, moments in before.state.moments.items():
        assert any(moment.any() for moment in moments.values())
        assert equal(after.state.moments[kind], moments)
    assert {*after.state.steps} == {*before.state.steps} == {float(SAVED)}
    assert after.state.learning_rate == before.state.learning_rate
    assert after.losses == pytest.approx(before.losses, abs=TOLERANCE[case.precision])
    assert len(after.losses) == UPDATES
    assert equal(after.best, before.best)
    assert not equal(before.best, before.state.masters)


@pytest.mark.slow
@pytest.mark.parametrize("way", [(2, 1), (1, 2)])
@pytest.mark.parametrize("case", COVERING, ids=str)
def test_other_ranks_go_on_with_the_same_training(
    covering: Endings, way: tuple[int, int], case: Case
) -> None:
    require_the_same_training(covering, way, case)


@pytest.mark.long
@pytest.mark.parametrize("way", [(2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("case", EVERY, ids=str)
def test_so_they_do_of_every_kind(every: Endings, way: tuple[int, int], case: Case) -> None:
    require_the_same_training(every, way, case)


@pytest.mark.slow
@pytest.mark.parametrize("way", [(2, 1), (1, 2)])
def test_nothing_of_a_conversion_is_left(covering: Endings, way: tuple[int, int]) -> None:
    """Nor what a killed one left: it goes with the next one, or with the next checkpoint."""
    tags = [f"step-{update:06}" for update in (BEST, SAVED, UPDATES)]
    assert covering[way][COVERING[0]].beside == (tags[:2], tags)


@pytest.fixture(scope="module")
def left_by_two(root: Path) -> dict[str, Any]:
    return dict(run_ranks(2, worlds.stopped, root)[0])


@pytest.fixture(scope="module")
def found_by_one(root: Path, left_by_two: dict[str, Any]) -> dict[str, Any]:
    (seen,) = run_ranks(1, worlds.resumed, root)
    return dict(seen)


@pytest.mark.slow
def test_a_training_that_two_ranks_left_is_ended_by_one(
    left_by_two: dict[str, Any], found_by_one: dict[str, Any]
) -> None:
    whole, resumed = left_by_two["whole"], found_by_one["resumed"]
    assert (left_by_two["stopped"]["updates"], resumed["resumed_from"]) == (SAVED, SAVED)
    assert resumed["updates"] == whole["updates"]
    assert resumed["useful_tokens"] == whole["useful_tokens"]
    assert resumed["final_loss"] == pytest.approx(whole["final_loss"], abs=TOLERANCE["fp32"])


@pytest.mark.slow
def test_state_under_zero_3_is_refused_by_another_number_of_ranks(
    found_by_one: dict[str, Any],
) -> None:
    assert found_by_one["zero 3"] == (
        "…/step-000003: found state of 2 ranks under ZeRO 3, expected one that 1 rank under ZeRO 3 "
        "can take over: go on with engine.ranks: 2 and engine.zero_stage: 3, or remove … to begin "
        "again"
    )


@pytest.mark.slow
def test_state_under_another_stage_is_refused(found_by_one: dict[str, Any]) -> None:
    assert found_by_one["other stage"].startswith(
        "…/step-000003: found state of 2 ranks under ZeRO 2, expected one that 1 rank under ZeRO 1 "
    )


@pytest.mark.slow
def test_state_in_which_fp16_has_skipped_every_update_is_refused(
    root: Path, found_by_one: dict[str, Any]
) -> None:
    """DeepSpeed would go on from weights that are rounded."""
    assert found_by_one["nothing taken"].startswith(
        "…/step-000002: found no update that was taken, expected one: go on with engine.ranks: 2 "
    )
    assert not [*(root / "nothing taken" / "checkpoints").glob("universal-*")]


@pytest.mark.slow
def test_damaged_state_of_other_ranks_is_passed_over_not_refused(
    found_by_one: dict[str, Any],
) -> None:
    loaded, (reason,) = found_by_one["torn"]
    assert loaded is None
    assert "optim_states.pt: found" in reason
