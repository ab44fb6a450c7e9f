"""Group means, gains and ranges, against sums done by hand."""

import math

import pandas as pd
import pytest

from tests.analysis.runs import CONTROL, METRICS, evaluation, plan, runs, straight
from xtl.analysis.summary import (
    GAP,
    HIGH,
    LOW,
    WITH_ENGLISH,
    WITHOUT_ENGLISH,
    gains,
    members,
    over_replicates,
    series,
    sizes,
)
from xtl.analysis.table import build_table
from xtl.sweep.cells import Cell

PLAN = plan()
RUNS = runs(PLAN, straight, METRICS)
TABLE = build_table(PLAN, RUNS)


def pick(frame: pd.DataFrame, **place: object) -> pd.Series:
    """The one row of the F1 curve at a place."""
    chosen = frame[frame["metric"] == "f1"]
    for column, value in place.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_english_is_in_neither_resource_group() -> None:
    languages = ["bn", "de", "en", "sw", "te", "th"]
    assert members(LOW, languages) == ["bn", "sw", "te"]
    assert members(HIGH, languages) == ["de", "th"]


@pytest.mark.parametrize(
    ("group", "value"),
    [
        (LOW, (20 + 30) / 2),
        (HIGH, 40),
        (WITH_ENGLISH, (20 + 30 + 40 + 60) / 4),
        (WITHOUT_ENGLISH, (20 + 30 + 40) / 3),
        (GAP, 60 - (20 + 30 + 40) / 3),
    ],
)
def test_the_groups_of_size_0_are_as_summed_by_hand(group: str, value: float) -> None:
    seed_part = 0 if group == GAP else 1
    row = pick(series(TABLE), size="0", seed=1, series=group)
    assert row["value"] == pytest.approx(value + seed_part)


def test_a_curve_is_of_one_recipe_the_manifest_s_own_unless_another_is_named() -> None:
    def score(cell: Cell, *_: str) -> float:
        return 90.0 if cell.recipe == "5×1e-05" else 80.0 if cell.recipe else 70.0

    controlled = plan(strong_control=CONTROL)
    table = build_table(controlled, runs(controlled, score, METRICS))
    assert set(series(table).query("series != 'gap'")["value"]) == {70.0}
    tuned = series(table, "5×1e-05")
    assert set(tuned.query("series != 'gap'")["value"]) == {90.0}
    assert set(tuned["size"]) == {"0", "400"}


def test_a_set_without_english_has_no_mean_that_includes_it() -> None:
    retrieval = series(TABLE).query("metric == 'accuracy'")
    assert WITHOUT_ENGLISH in set(retrieval["series"])
    assert not {WITH_ENGLISH, GAP} & set(retrieval["series"])


def test_a_missing_language_takes_its_groups_with_it_and_no_others() -> None:
    shard = evaluation(PLAN, "40", 1)
    del (found := dict(RUNS))[shard]
    record = RUNS[shard]
    rest = {key: value for key, value in record.summary.items() if key != "eval/sw/f1"}
    found[shard] = type(record)(**{**record.__dict__, "summary": rest})
    table = series(build_table(PLAN, found))
    assert math.isnan(pick(table, size="40", seed=1, series=LOW)["value"])
    assert pick(table, size="40", seed=1, series=HIGH)["value"] == 51


def test_a_gain_is_over_size_0_of_the_same_seed() -> None:
    table = gains(series(TABLE))
    assert 0 not in set(table["examples"])
    for seed in (1, 2):
        assert pick(table, size="400", seed=seed, series="sw")["value"] == 14
        assert pick(table, size="400", seed=seed, series=LOW)["value"] == 13


def test_a_chain_without_its_size_0_has_no_gain() -> None:
    found = dict(RUNS)
    del found[evaluation(PLAN, "0", 1)]
    table = gains(series(build_table(PLAN, found)))
    assert math.isnan(pick(table, size="400", seed=1, series="sw")["value"])
    assert pick(table, size="400", seed=2, series="sw")["value"] == 14


def test_replicates_give_a_mean_a_range_and_a_count() -> None:
    row = pick(over_replicates(series(TABLE)), size="400", series="sw")
    assert (row["mean"], row["minimum"], row["maximum"]) == (45.5, 45, 46)
    assert (row["runs"], row["planned"]) == (2, 2)


def test_a_missing_replicate_is_counted() -> None:
    found = dict(RUNS)
    del found[evaluation(PLAN, "400", 1)]
    row = pick(over_replicates(series(build_table(PLAN, found))), size="400", series="sw")
    assert (row["mean"], row["runs"], row["planned"]) == (46, 1, 2)


def test_the_public_model_has_one_run_whatever_the_number_of_seeds() -> None:
    table = over_replicates(series(TABLE)).query("target == '' and size == '0' and series == 'bn'")
    assert table["planned"].tolist() == [1]


def test_sizes_stand_by_their_resolved_counts() -> None:
    mixed = plan(sizes=["100%", 0, "6%", 1000])
    table = build_table(mixed, {})
    assert sizes(table) == [("0", 0), ("6%", 246), ("1000", 1000), ("100%", 4096)]
    assert over_replicates(series(table))["examples"].is_monotonic_increasing
