"""What is there of a plan: the ways of having no good score are told apart."""

import pandas as pd

from tests.analysis.runs import CONTROL, METRICS, evaluation, plan, runs, straight
from xtl.analysis.coverage import ShardState, coverage, diverged, intention_to_treat
from xtl.analysis.table import build_table

PLAN = plan()
CELL = next(cell for cell in PLAN.cells if cell.size == "40" and cell.seed == 1 and cell.target)
INTERMEDIATE, TARGET = CELL.intermediate or "", CELL.checkpoint or ""


def test_every_planned_shard_is_of_one_kind() -> None:
    kinds = coverage(PLAN, {INTERMEDIATE: ShardState("done")})
    assert sum(len(entries) for entries in kinds.values()) == len(PLAN.shards)
    assert [entry.shard.id for entry in kinds["done"]] == [INTERMEDIATE]
    assert len(kinds["missing"]) == len(PLAN.shards) - 1


def test_failed_diverged_degenerate_and_lost_are_four_kinds() -> None:
    ids = list(PLAN.shards)[:6]
    states = [
        ShardState("failed", "gpu-oom", "CUDA out of memory"), ShardState("failed", "diverged"),
        ShardState("done", degenerate=True), ShardState("lost"), ShardState("running"),
        ShardState("blocked"),
    ]  # fmt: skip
    kinds = coverage(PLAN, dict(zip(ids, states, strict=True)))
    expected = ["failed", "diverged", "degenerate", "missing", "under way", "blocked"]
    for shard, kind in zip(ids, expected, strict=True):
        assert shard in [entry.shard.id for entry in kinds[kind]]  # type: ignore[index]
    assert kinds["failed"][0].state.line == "CUDA out of memory"


def test_what_the_strong_control_alone_asks_for_is_counted_apart() -> None:
    controlled = plan(strong_control=CONTROL)
    design, control = coverage(controlled, {}), coverage(controlled, {}, control=True)
    assert {entry.shard.id for entry in design["missing"]} == set(PLAN.shards)
    recipes, places = 4, 2 * 2  # two sizes of two replicates
    each = 1 + 3  # a training; the target's own set, held-out English and retrieval
    assert len(control["missing"]) == recipes * places * each
    assert len(controlled.shards) == len(PLAN.shards) + len(control["missing"])
    assert not any(coverage(PLAN, {}, control=True).values())


def test_a_recipe_that_diverged_is_no_collapse_of_the_design_and_gets_the_floor() -> None:
    controlled = plan(strong_control=CONTROL)
    (cell, *_) = [cell for cell in controlled.cells if cell.recipe]
    states = {cell.checkpoint or "": ShardState("failed", "diverged")}
    assert not coverage(controlled, states)["diverged"]
    assert len(coverage(controlled, states, control=True)["diverged"]) == 1
    assert diverged(controlled, states) == {cell.checkpoint, *dict(cell.evaluations).values()}


def test_the_descendants_of_a_diverged_training_count_as_diverged() -> None:
    found = diverged(PLAN, {INTERMEDIATE: ShardState("failed", "diverged")})
    retrieval = evaluation(PLAN, "40", 1, "lookup-pairs", target=None)
    assert {INTERMEDIATE, TARGET, retrieval, evaluation(PLAN, "40", 1)} <= found
    assert len(found) == 5


def test_a_diverged_training_gets_the_floor_and_a_lost_one_stays_missing() -> None:
    dead, lost = evaluation(PLAN, "40", 1), evaluation(PLAN, "400", 1)
    found = runs(PLAN, straight, METRICS)
    del found[dead], found[lost]
    states = {TARGET: ShardState("failed", "diverged")}
    table = intention_to_treat(build_table(PLAN, found), diverged(PLAN, states))
    assert set(table[table["shard"] == dead]["value"]) == {0.0}
    assert table[table["shard"] == lost]["value"].isna().all()


def test_intention_to_treat_keeps_scores_and_leaves_the_table_as_it_was() -> None:
    table = build_table(PLAN, runs(PLAN, straight, METRICS))
    before = table.copy()
    floored = intention_to_treat(table, [evaluation(PLAN, "40", 1)])
    pd.testing.assert_frame_equal(floored, before)
    pd.testing.assert_frame_equal(table, before)
