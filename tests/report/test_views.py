"""What is shown of a curve, in which order."""

import pandas as pd
import pytest

from tests.analysis.runs import CONTROL, evaluation, manifest
from tests.report.sweeps import MIXED, catalogue_data, demo, report_data, views
from xtl.analysis.summary import LOW
from xtl.report.views import beside, by_resource, is_low, make_views
from xtl.sweep.plan import make_plan


def test_languages_stand_by_their_cc100_text_with_english_last() -> None:
    assert by_resource(["en", "th", "sw", "bn", "te", "ru"]) == ["sw", "te", "bn", "th", "ru", "en"]


def test_english_and_the_high_mean_are_not_low_resource() -> None:
    assert [name for name in ("sw", "th", "en", "low", "high", "gap") if is_low(name)] == [
        "sw", "low",
    ]  # fmt: skip


def test_the_primary_curve_is_first_and_retrieval_last_before_target_training_first() -> None:
    tasks = [{"task": "lookup-qa"}, {"task": "lookup-pool"}]
    found = views(manifest(intermediate=tasks, sizes=[0, 40]))
    order = [(view.task, view.set, view.target) for view in found]
    assert order[:2] == [
        ("lookup-pool", "lookup-qa", "lookup-qa"), ("lookup-qa", "lookup-qa", "lookup-qa"),
    ]  # fmt: skip
    assert [target for _, _, target in order[2:]] == ["", "", "lookup-qa", "lookup-qa"]


def test_other_metrics_than_the_headline_have_views_of_their_own() -> None:
    data = report_data()
    assert {view.metric for view in make_views(data.table, None)} == {"f1", "accuracy"}
    assert {view.metric for view in make_views(data.table, None, headline=False)} == {"exact_match"}


def test_a_threshold_that_was_tuned_is_no_score() -> None:
    table = catalogue_data(MIXED).table
    mined = table[table["set"] == "bucc2018"]
    tuned = mined[mined["metric"] == "recall"].assign(metric="threshold", value=1.05)
    found = make_views(pd.concat([mined, tuned]), None, headline=False)
    assert {view.metric for view in found} == {"precision", "recall"}


def test_a_set_that_is_mined_is_retrieval_and_stands_last() -> None:
    data = catalogue_data(MIXED)
    found = make_views(data.table, data.manifest.primary)
    assert found[0].set == "xnli"
    assert {view.set for view in found if view.retrieval} == {"tatoeba", "bucc2018"}
    assert [view.retrieval for view in found] == sorted(view.retrieval for view in found)
    assert [each.set for each in beside(found, found[0], "xnli")] == ["tatoeba", "bucc2018"]


@pytest.mark.parametrize(
    ("languages", "group"), [(["de", "en", "sw"], LOW), (["de", "en"], "mean_without_english")]
)
def test_the_group_that_stands_for_a_curve_is_what_it_has(languages: list[str], group: str) -> None:
    body = {**MIXED, "targets": [{"task": "xnli", "languages": languages}], "primary": None}
    data = catalogue_data(body)
    assert make_views(data.table, None)[0].main_group == group


def test_english_stands_for_a_set_that_has_nothing_else() -> None:
    data = catalogue_data({**MIXED, "targets": [{"task": "hellaswag"}], "primary": None})
    view = make_views(data.table, None)[0]
    assert (view.english_alone, view.main_group) == (True, "en")


def test_the_strong_control_has_no_views_of_its_own() -> None:
    controlled = [(view.key, view.levels) for view in views(manifest(strong_control=CONTROL))]
    assert controlled == [(view.key, view.levels) for view in views(manifest())]


def test_retrieval_stands_beside_the_curve_of_its_task_arm_and_target() -> None:
    found = views()
    qa = found[0]
    (before,), (after,) = beside(found, qa, ""), beside(found, qa, "lookup-qa")
    assert (before.target, after.target) == ("", "lookup-qa")
    assert beside(found, qa, "another") == []


def test_a_mean_over_fewer_replicates_than_planned_is_partial() -> None:
    lost = evaluation(make_plan(demo(), None), "6%", 1)
    view = views(without=[lost])[0]
    assert view.level(LOW, "6%").partial
    assert not view.level(LOW, "20%").partial
    assert view.partial


@pytest.mark.parametrize("both", [True, False])
def test_the_largest_size_is_the_largest_that_has_a_gain(both: bool) -> None:
    plan = make_plan(demo(), None)
    lost = [evaluation(plan, "100%", seed) for seed in ((1, 2) if both else (1,))]
    assert views(without=lost)[0].largest == (("50%", 2048) if both else ("100%", 4096))


def test_a_view_without_any_run_is_empty() -> None:
    plan = make_plan(demo(), None)
    (first, *_) = views(without=list(plan.shards))
    assert first.empty
    assert first.largest is None
