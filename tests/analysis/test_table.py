"""The table from runs made by hand, and how it is checked against the result files."""

import math

import pytest

from tests.analysis.runs import CONTROL, METRICS, evaluation, plan, run, runs, straight
from xtl.analysis.table import COLUMNS, build_table, compare
from xtl.sweep.plan import Plan

PLAN = plan()


def results_of(plan: Plan) -> dict[str, dict[str, dict[str, float]]]:
    """Result files that say what the runs say."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for shard, record in runs(plan, straight, METRICS).items():
        for key, value in record.summary.items():
            _, language, metric = key.split("/")
            found.setdefault(shard, {}).setdefault(language, {})[metric] = value
    return found


def test_there_is_a_row_for_each_cell_set_language_and_metric() -> None:
    table = build_table(PLAN, runs(PLAN, straight, METRICS))
    targets, checkpoints = 4 * 2, 4 * 2 * 2
    assert len(table) == targets * 4 * 2 + checkpoints * 3 * 1
    assert tuple(table.columns) == COLUMNS
    assert not table["value"].isna().any()


def test_a_row_holds_its_place_its_value_and_where_it_was_read() -> None:
    table = build_table(PLAN, runs(PLAN, straight, METRICS))
    shard = evaluation(PLAN, "400", 2)
    (row,) = table[
        (table["shard"] == shard) & (table["language"] == "sw") & (table["metric"] == "f1")
    ].to_dict("records")
    assert row == {
        "task": "lookup-pool", "size": "400", "examples": 400, "arm": "epochs", "seed": 2,
        "target": "lookup-qa", "recipe": "", "set": "lookup-qa", "language": "sw", "metric": "f1",
        "value": 30 + 2 + 10 + 4, "shard": shard,
        "name": "lookup-pool 400 epochs s2 → lookup-qa · lookup-qa", "attempt": 1,
        "source": f"run-{shard}.wandb",
    }  # fmt: skip


def test_the_intermediate_checkpoint_itself_has_an_empty_target() -> None:
    table = build_table(PLAN, runs(PLAN, straight, METRICS))
    assert set(table[table["target"] == ""]["set"]) == {"lookup-pairs"}
    assert set(table["target"]) == {"", "lookup-qa"}


def test_a_recipe_of_the_strong_control_has_rows_of_its_own_under_the_true_arm() -> None:
    controlled = plan(strong_control=CONTROL)
    table = build_table(controlled, runs(controlled, straight, METRICS))
    own = table[table["recipe"] == ""].reset_index(drop=True)
    assert own.equals(build_table(PLAN, runs(PLAN, straight, METRICS)))
    others = table[table["recipe"] != ""]
    assert set(others["arm"]) == {"epochs"}
    assert list(others["recipe"].unique()) == ["5×1e-05", "5×3e-05", "10×1e-05", "10×3e-05"]
    assert set(others["set"]) == {"lookup-qa", "lookup-qa-held-out", "lookup-pairs"}


def test_size_0_stands_in_the_curve_of_each_task() -> None:
    two = plan(intermediate=[{"task": "lookup-pool"}, {"task": "lookup-qa"}], sizes=[0, 40])
    table = build_table(two, runs(two, lambda cell, *_: float(cell.seed), METRICS))
    control = table[(table["examples"] == 0) & (table["set"] == "lookup-qa")]
    assert set(control["task"]) == {"lookup-pool", "lookup-qa"}
    assert control["shard"].nunique() == 2  # one a seed, shared by the two tasks
    assert control.groupby("task")["value"].mean().tolist() == [1.5, 1.5]


def test_a_missing_run_leaves_its_rows_with_no_value_and_no_source() -> None:
    found = runs(PLAN, straight, METRICS)
    lost = evaluation(PLAN, "40", 1)
    del found[lost]
    table = build_table(PLAN, found)
    rows = table[table["shard"] == lost]
    assert len(rows) == 4 * 2
    assert rows["value"].isna().all()
    assert set(rows["source"]) == {""}
    assert set(rows["attempt"]) == {0}
    assert table["value"].isna().sum() == len(rows)


def test_without_any_run_the_table_has_each_headline_metric() -> None:
    table = build_table(PLAN, {})
    assert table["value"].isna().all()
    assert set(zip(table["set"], table["metric"], strict=True)) == {
        ("lookup-qa", "f1"), ("lookup-pairs", "accuracy"),
    }  # fmt: skip


def test_other_summary_keys_and_other_languages_are_no_rows() -> None:
    shard = evaluation(PLAN, "40", 1)
    record = run(PLAN, shard, {"eval/xx/f1": 1.0, "eval/seconds": 2.0, "train/loss": 3.0})
    rows = build_table(PLAN, {shard: record}).query("shard == @shard")
    assert set(rows["metric"]) == {"f1"}
    assert rows["value"].isna().all()


@pytest.mark.parametrize("value", ["41.0", True, None])
def test_a_summary_value_that_is_no_number_counts_as_missing(value: object) -> None:
    shard = evaluation(PLAN, "40", 1)
    record = run(PLAN, shard, {"eval/sw/f1": value})  # type: ignore[dict-item]
    rows = build_table(PLAN, {shard: record}).query("shard == @shard and language == 'sw'")
    assert rows["value"].isna().all()


def test_runs_and_results_that_agree_have_no_difference() -> None:
    table = build_table(PLAN, runs(PLAN, straight, METRICS))
    assert compare(table, results_of(PLAN)) == []


def test_another_value_is_a_difference_on_one_line() -> None:
    results = results_of(PLAN)
    shard = evaluation(PLAN, "400", 2)
    results[shard]["sw"]["f1"] = 45.5
    (found,) = compare(build_table(PLAN, runs(PLAN, straight, METRICS)), results)
    assert str(found) == (
        f"lookup-pool 400 epochs s2 → lookup-qa · lookup-qa [{shard}], sw f1: "
        "W&B has 46, the result file 45.5"
    )


def test_a_shared_shard_differs_once() -> None:
    two = plan(intermediate=[{"task": "lookup-pool"}, {"task": "lookup-qa"}], sizes=[0, 40])
    table, results = build_table(two, runs(two, straight, METRICS)), results_of(two)
    control = table[(table["examples"] == 0) & (table["set"] == "lookup-qa")].iloc[0]
    assert table[table["shard"] == control["shard"]]["task"].nunique() == 2
    results[control["shard"]]["en"]["f1"] = 2.0
    assert len(compare(table, results)) == 1


def test_a_missing_result_and_a_missing_run_are_one_difference_each() -> None:
    found, results = runs(PLAN, straight, METRICS), results_of(PLAN)
    no_result, no_run = evaluation(PLAN, "40", 1), evaluation(PLAN, "400", 1)
    del results[no_result], found[no_run]
    lines = [str(entry) for entry in compare(build_table(PLAN, found), results)]
    assert lines == [
        f"lookup-pool 40 epochs s1 → lookup-qa · lookup-qa [{no_result}]: "
        "W&B has an evaluation, the result file has none",
        f"lookup-pool 400 epochs s1 → lookup-qa · lookup-qa [{no_run}]: "
        "the result file has an evaluation, W&B has none",
    ]


def test_one_missing_value_is_named_with_its_language_and_metric() -> None:
    results = results_of(PLAN)
    shard = evaluation(PLAN, "40", 1)
    del results[shard]["bn"]["exact_match"]
    (found,) = compare(build_table(PLAN, runs(PLAN, straight, METRICS)), results)
    assert (found.language, found.metric, found.result) == ("bn", "exact_match", None)
    assert str(found).endswith("bn exact_match: W&B has 31, the result file nothing")


def test_a_shard_that_neither_knows_is_no_difference() -> None:
    found, results = runs(PLAN, straight, METRICS), results_of(PLAN)
    shard = evaluation(PLAN, "40", 1)
    del found[shard], results[shard]
    assert compare(build_table(PLAN, found), results) == []


def test_rounding_below_a_billionth_is_no_difference() -> None:
    results = results_of(PLAN)
    shard = evaluation(PLAN, "40", 1)
    results[shard]["bn"]["f1"] = math.nextafter(results[shard]["bn"]["f1"], 100)
    assert compare(build_table(PLAN, runs(PLAN, straight, METRICS)), results) == []
