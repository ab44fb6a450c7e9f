"""XTREME's scores of a sweep, against sums done by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from tests.analysis.runs import CONTROL, manifest, run, runs
from xtl.analysis.benchmark import OVERALL, languages, scored_rows, scores, without_english
from xtl.analysis.summary import over_replicates
from xtl.analysis.table import build_table
from xtl.analysis.xtreme.averages import SCORED_BY
from xtl.sweep.cells import Cell
from xtl.sweep.plan import Plan, make_plan
from xtl.tasks.catalogue import EVALUATION_SETS

QA = "question answering"
SOME: list[dict[str, Any]] = [
    {"task": "xquad", "languages": ["de", "en"]},
    {"task": "mlqa"},
    {"task": "tydiqa", "secondary": True},
]


def planned(targets: list[dict[str, Any]], retrieval: tuple[str, ...] = (), **more: object) -> Plan:
    asked = manifest(
        targets=targets, retrieval=[{"set": name} for name in retrieval], primary=None, **more
    )
    return make_plan(asked, None)


def score(cell: Cell, set_name: str, language: str, metric: str) -> float:
    """English 60 and others 30, exact match 10 less, 1 more a seed and 5 more above size 0."""
    base = 60.0 if language == "en" else 30.0
    return base - 10 * (metric == "exact_match") + cell.seed + 5 * (cell.examples > 0)


def table(plan: Plan, without: str = "") -> pd.DataFrame:
    found = runs(plan, score, {name: metrics_of(name) for name in EVALUATION_SETS})
    return build_table(plan, {shard: each for shard, each in found.items() if shard != without})


def metrics_of(set_name: str) -> tuple[str, ...]:
    entry = EVALUATION_SETS[set_name]
    return SCORED_BY.get(set_name, (entry.headline,))


def value(found: pd.DataFrame, series: str, size: str = "40", seed: int = 1) -> float:
    (one,) = found.query("series == @series and size == @size and seed == @seed")["value"]
    return float(one)


def whole() -> Plan:
    """All nine tasks in all their languages."""
    names = ("xnli", "paws-x", "udpos", "panx", "xquad", "mlqa", "tydiqa")
    pools = {"bucc2018": {"path": "bucc2018/{language}-en", "format": "bucc"}}
    return planned(
        [{"task": name} for name in names],
        ("bucc2018", "tatoeba"),
        sizes=[0, 40],
        evaluation_data=pools,
    )


def test_question_answering_is_scored_by_the_mean_of_exact_match_and_f1() -> None:
    found = scores(scored_rows(table(planned(SOME))))
    assert value(found, "xquad") == pytest.approx((60 + 30) / 2 - 5 + 1 + 5)
    assert value(found, without_english("xquad")) == pytest.approx(30 - 5 + 1 + 5)
    assert value(found, "mlqa", size="0", seed=2) == pytest.approx((60 + 6 * 30) / 7 - 5 + 2)


def test_a_task_in_some_of_its_languages_is_no_part_of_an_average() -> None:
    rows = scored_rows(table(planned(SOME)))
    assert languages(rows)["xquad"] == ("de", "en")
    found = scores(rows)
    assert math.isnan(value(found, QA))
    assert math.isnan(value(found, OVERALL))


def test_a_group_is_the_mean_of_its_tasks_and_nothing_else_is_there() -> None:
    found = scores(scored_rows(table(planned([{**each, "languages": "all"} for each in SOME]))))
    own = [value(found, task) for task in ("xquad", "mlqa", "tydiqa")]
    assert value(found, QA) == pytest.approx(sum(own) / 3)
    assert math.isnan(value(found, OVERALL))
    assert "classification" not in set(found["series"])


def test_the_average_of_the_nine_is_the_mean_of_the_nine() -> None:
    found = scores(scored_rows(table(whole())))
    own = [value(found, task) for task in SCORED_BY]
    assert value(found, OVERALL) == pytest.approx(sum(own) / 9)


def test_tasks_of_which_a_sample_is_asked_are_no_part_of_an_average() -> None:
    found = scores(scored_rows(table(whole())), sampled=["xquad"])
    assert math.isnan(value(found, OVERALL))
    assert math.isnan(value(found, QA))
    assert value(found, "xquad") > 0
    assert value(found, "classification") > 0


def test_retrieval_is_scored_before_any_target_and_has_no_score_without_english() -> None:
    rows = scored_rows(table(whole()))
    assert set(rows.query("set == 'tatoeba'")["target"]) == {""}
    found = scores(rows)
    assert without_english("tatoeba") not in set(found["series"])
    assert value(found, "tatoeba", size="40", seed=2) == pytest.approx(30 + 2 + 5)


def test_without_any_english_there_is_a_score_without_english_alone() -> None:
    found = scores(scored_rows(table(planned([{"task": "xquad", "languages": ["de", "th"]}]))))
    assert "xquad" not in set(found["series"])
    assert value(found, without_english("xquad")) == pytest.approx(30 - 5 + 1 + 5)


def test_a_missing_run_takes_its_replicate_and_no_other() -> None:
    plan = planned([{**each, "languages": "all"} for each in SOME])
    (lost,) = [
        shard for cell in plan.cells for name, shard in cell.evaluations
        if (cell.size, cell.seed, cell.target, name) == ("40", 1, "mlqa", "mlqa")
    ]  # fmt: skip
    found = scores(scored_rows(table(plan, without=lost)))
    assert math.isnan(value(found, "mlqa"))
    assert math.isnan(value(found, QA))
    over = over_replicates(found)
    (row,) = over.query(f"series == '{QA}' and size == '40'").to_dict("records")
    assert (row["runs"], row["planned"]) == (1, 2)


def test_a_run_that_lacks_a_language_has_no_score() -> None:
    plan = planned([{"task": "xquad", "languages": ["de", "en"]}], sizes=[0], replicates=[1])
    ((_, shard),) = plan.cells[-1].evaluations
    part = {"eval/en/f1": 50.0, "eval/en/exact_match": 40.0, "eval/de/f1": 50.0}
    found = scores(scored_rows(build_table(plan, {shard: run(plan, shard, part)})))
    assert found["value"].isna().all()


def test_the_public_model_counts_once_whatever_the_number_of_seeds() -> None:
    over = over_replicates(scores(scored_rows(table(whole()))))
    (row,) = over.query("series == 'tatoeba' and size == '0'").to_dict("records")
    assert (row["runs"], row["planned"]) == (1, 1)


def test_other_sets_and_the_strong_control_are_left_out() -> None:
    demo = manifest(strong_control=CONTROL)
    rows = scored_rows(build_table(make_plan(demo, None), {}))
    assert rows.empty
    assert scores(rows).empty
    assert set(scored_rows(table(planned(SOME)))["set"]) == {"xquad", "mlqa", "tydiqa"}
