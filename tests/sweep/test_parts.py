"""What is left of a task's data for a training to take, by published and by locked counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import lock_for
from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.plan import Plan, make_plan

OWN = {"mnli": {"path": "mine.jsonl"}, "tydiqa": {"path": "mine.json"}}


def locked(rows: int, held_out: int, **changes: Any) -> Plan:
    selection = {"evaluations": 4, "rows": held_out}
    arms = [{"name": "best", "fixed": "epochs", "selection": selection}]
    found = manifest(arms=arms, **changes)
    return make_plan(found, lock_for(found, rows=rows))


def test_half_of_the_rows_may_be_kept_out_and_no_more() -> None:
    assert {cell.examples for cell in locked(1000, 500).cells} == {0, 100, 500}
    with pytest.raises(UserError) as caught:
        locked(999, 500)
    assert str(caught.value) == (
        "arms.best.selection.rows: found 500, expected at most half of the 999 rows of tydiqa: "
        "a smaller number, or more data"
    )


def test_a_target_too_small_to_keep_rows_out_of_is_named() -> None:
    with pytest.raises(UserError, match="half of the 3696 rows of tydiqa"):
        make_plan(
            manifest(
                arms=[
                    {
                        "name": "best",
                        "fixed": "epochs",
                        "selection": {"evaluations": 4, "rows": 2000},
                    }
                ]
            ),
            None,
        )


def test_a_count_over_what_is_left_says_who_keeps_the_rest() -> None:
    with pytest.raises(UserError) as caught:
        locked(1000, 300, sizes=[0, 800])
    assert str(caught.value).startswith(
        "sizes: found 800, expected at most 700, as arm best holds 300 of the 1000 rows of "
    )
    assert {cell.examples for cell in locked(1000, 300, sizes=[0, 700]).cells} == {0, 700}


def test_two_percentages_over_what_is_left_are_not_one_size_in_silence() -> None:
    with pytest.raises(UserError) as caught:
        locked(1000, 300, sizes=[0, "90%", "100%"])
    assert str(caught.value).startswith(
        "sizes: found 90%, expected at most 700, as arm best holds 300 of the 1000 rows of "
    )
    assert {cell.examples for cell in locked(1000, 300, sizes=["50%", "100%"]).cells} == {500, 700}


def test_a_target_takes_as_many_as_it_is_given_of_what_is_left() -> None:
    def taken(train_on: int) -> set[int]:
        plan = locked(1000, 300, targets=[{"task": "tydiqa", "train_on": train_on}])
        specs = [shard.spec for shard in plan.shards.values() if shard.stage == "target"]
        return {spec.examples for spec in specs}  # type: ignore[misc]

    assert taken(600) == {600}
    with pytest.raises(UserError, match=r"tydiqa.train_on: found 800, expected at most 700, as"):
        taken(800)


def test_data_of_one_s_own_are_not_counted_before_they_are_locked() -> None:
    found = manifest(
        arms=[{"name": "best", "fixed": "epochs", "selection": {"evaluations": 4, "rows": 3000}}],
        training_data=OWN,
    )
    assert make_plan(found, None).shards
    with pytest.raises(UserError, match="found 3000, expected at most half of the 5000 rows"):
        make_plan(found, lock_for(found, rows=5000))
