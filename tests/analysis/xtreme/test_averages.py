from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.analysis.xtreme.averages import GROUPS, SCORED_BY, averages, task_score
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS

percents = st.floats(0, 100, allow_nan=False)
codes = st.sampled_from(EVALUATION_SETS["tydiqa"].languages)
qa = st.fixed_dictionaries({"exact_match": percents, "f1": percents})

# The languages of each task in XTREME's evaluate.py.
LANGUAGES = {
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "paws-x": "de en es fr ja ko zh",
    "panx": "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja "
    "ka ko th sw yo my zh kk tr et fi hu",
    "udpos": "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl "
    "tr ur vi yo zh",
    "bucc2018": "de fr ru zh",
    "tatoeba": "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka "
    "ko th sw zh kk tr et fi hu",
    "xquad": "en es de el ru tr ar vi th zh hi",
    "mlqa": "en es de ar hi vi zh",
    "tydiqa": "en ar bn fi id ko ru sw te",
}


def everything(value: float) -> dict[str, dict[str, dict[str, float]]]:
    """Each metric of each task is `value` in every language."""
    return {
        task: {code: dict.fromkeys(names, value) for code in EVALUATION_SETS[task].languages}
        for task, names in SCORED_BY.items()
    }


def test_the_nine_tasks_are_those_of_the_four_groups() -> None:
    assert sorted(task for tasks in GROUPS.values() for task in tasks) == sorted(SCORED_BY)
    assert len(SCORED_BY) == 9


@pytest.mark.parametrize("task", SCORED_BY)
def test_the_catalogue_has_xtreme_s_languages(task: str) -> None:
    assert set(EVALUATION_SETS[task].languages) == set(LANGUAGES[task].split())


@pytest.mark.parametrize("task", SCORED_BY)
def test_a_task_is_scored_by_metrics_that_its_family_yields(task: str) -> None:
    assert set(SCORED_BY[task]) <= set(METRICS[EVALUATION_SETS[task].family])


def test_a_task_s_score_includes_english_and_stands_without_it_too() -> None:
    metrics = {"en": {"accuracy": 90.0}, "sw": {"accuracy": 60.0}, "th": {"accuracy": 30.0}}
    assert task_score("xnli", metrics) == 60
    assert task_score("xnli", metrics, english=False) == 45


def test_a_question_answering_score_is_the_mean_of_exact_match_and_f1() -> None:
    metrics = {
        "en": {"exact_match": 60.0, "f1": 80.0, "f1_unicode": 99.0},
        "bn": {"exact_match": 20.0, "f1": 40.0, "f1_unicode": 99.0},
    }
    assert task_score("tydiqa", metrics) == 50
    assert task_score("tydiqa", metrics, english=False) == 30


def test_each_language_counts_alike_however_many_examples_it_has() -> None:
    assert task_score("panx", {"en": {"f1": 90.0}, "yo": {"f1": 10.0}}) == 50


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        ("xnli", {}),
        ("xnli", {"en": {"f1": 90.0}}),
        ("lookup-qa", {"en": {"exact_match": 1.0, "f1": 1.0}}),
        (
            "bucc2018",
            {"de": {"accuracy": 90.0}},
        ),  # of retrieval, as bucc2018-pairs has it: another figure
    ],
)
def test_there_is_no_score_without_the_task_s_metrics(task: str, metrics: Any) -> None:
    assert task_score(task, metrics) is None


def test_a_task_in_english_alone_has_no_score_without_english() -> None:
    assert task_score("xnli", {"en": {"accuracy": 90.0}}, english=False) is None


def test_overall_is_the_mean_of_the_nine_tasks_not_of_the_groups() -> None:
    scores = everything(50.0)
    for code in scores["tatoeba"]:
        scores["tatoeba"][code]["accuracy"] = 95.0
    found = averages(scores)
    assert found.groups["retrieval"] == 72.5
    assert found.groups["classification"] == 50
    assert found.overall == pytest.approx((8 * 50 + 95) / 9)
    assert found.missing == {}


def test_what_is_missing_is_named_and_its_group_and_the_whole_have_no_score() -> None:
    scores = everything(50.0)
    del scores["panx"]["yo"]
    del scores["mlqa"]
    found = averages(scores)
    assert found.missing == {"panx": ("yo",), "mlqa": EVALUATION_SETS["mlqa"].languages}
    assert found.tasks["panx"] == 50
    assert "mlqa" not in found.tasks
    assert [name for name, score in found.groups.items() if score is None] == [
        "structured prediction", "question answering",
    ]  # fmt: skip
    assert found.overall is None


def test_a_language_without_the_task_s_metric_is_missing() -> None:
    scores = everything(50.0)
    scores["udpos"]["yo"] = {"token_accuracy": 99.0}
    assert averages(scores).missing == {"udpos": ("yo",)}


def test_a_language_that_xtreme_does_not_have_moves_no_average() -> None:
    scores = everything(50.0)
    scores["xquad"]["ro"] = {"exact_match": 100.0, "f1": 100.0}
    assert averages(scores).tasks["xquad"] == 50


@given(st.dictionaries(codes, qa, min_size=1))
def test_a_score_lies_within_its_metrics(metrics: dict[str, dict[str, float]]) -> None:
    values = [value for each in metrics.values() for value in each.values()]
    score = task_score("tydiqa", metrics)
    assert score is not None
    assert min(values) - 1e-9 <= score <= max(values) + 1e-9


@given(st.dictionaries(codes, qa, min_size=2), st.randoms())
def test_the_order_of_languages_does_not_matter(
    metrics: dict[str, dict[str, float]], random: Any
) -> None:
    shuffled = list(metrics.items())
    random.shuffle(shuffled)
    assert task_score("tydiqa", dict(shuffled)) == pytest.approx(task_score("tydiqa", metrics))


@given(percents)
def test_equal_scores_everywhere_are_every_average(value: float) -> None:
    found = averages(everything(value))
    means = [*found.tasks.values(), *found.tasks_without_english.values(), *found.groups.values()]
    assert [found.overall, *means] == pytest.approx([value] * (1 + 9 + 9 + 4))
