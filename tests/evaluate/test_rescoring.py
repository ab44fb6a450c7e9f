"""Metrics again, out of what was written down, held against those in a result."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.checkpoints import make_job
from tests.evaluate.runs import run
from xtl.errors import UserError
from xtl.evaluate.predictions import read_predictions, write_predictions
from xtl.evaluate.rescoring import compare, rescore
from xtl.sweep.shard import EvaluateSpec, ModelRef, Table
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tasks.family import Prediction

Rows = dict[str, list[dict[str, Any]]]


@pytest.mark.parametrize("family", ["span-qa", "retrieval"])
def test_metrics_are_the_same_from_the_stored_predictions(
    family: str, checkpoint: Path, questions: Rows, pairs: Rows, tmp_path: Path
) -> None:
    rows = questions if family == "span-qa" else pairs
    job = make_job(checkpoint, rows, family)
    outcome = run(job)
    path = tmp_path / "predictions.parquet"
    write_predictions(path, outcome.predictions)
    assert rescore(job.spec, rows, read_predictions(path)) == outcome.metrics


def asking(set_name: str, language: str) -> EvaluateSpec:
    """A spec of one of the catalogue's sets: its family, its settings, the names of its labels."""
    entry = EVALUATION_SETS[set_name]
    table = Table(
        repo="own/rows", revision="1", config="c", split="s", form="own", rows=1, content="hash"
    )
    return EvaluateSpec(
        set=set_name,
        family=entry.family,
        model=ModelRef(repo="own/model", revision="1", fingerprint="hash"),
        parent=None,
        data=((language, table),),
        labels=entry.labels,
        decoding=entry.decoding,
        precision="fp32",
    )


def answers(texts: list[str]) -> list[Prediction]:
    return [Prediction(str(number), "sw", text, 0.0, {}) for number, text in enumerate(texts)]


def test_classes_are_compared_by_the_names_that_the_set_gives_them() -> None:
    labels = EVALUATION_SETS["xnli"].labels
    rows = [{"sentence1": "a", "sentence2": "b", "label": number} for number in (0, 1, 2, 2)]
    said = answers([labels[0], labels[1], labels[2], labels[0]])
    assert rescore(asking("xnli", "sw"), {"sw": rows}, said) == {"sw": {"accuracy": 75.0}}


def test_chosen_endings_are_compared_by_their_places() -> None:
    rows = [{"prompt": "p", "choices": ["a", "b"], "label": number} for number in (0, 1)]
    found = rescore(asking("hellaswag-dev", "sw"), {"sw": rows}, answers(["0", "0"]))
    assert found["sw"]["accuracy"] == 50.0


def test_tags_are_scored_over_all_sentences_at_once() -> None:
    rows = [
        {"tokens": ["Dar", "es"], "tags": ["B-LOC", "I-LOC"]},
        {"tokens": ["Juma", "alifika"], "tags": ["B-PER", "O"]},
    ]
    said = answers(["B-LOC I-LOC", "O O"])
    found = rescore(asking("panx", "sw"), {"sw": rows}, said)["sw"]
    assert found["f1"] == pytest.approx(100 * 2 / 3)  # one of two chunks, and nothing else
    assert found["token_accuracy"] == 75.0


def test_the_order_of_the_file_does_not_matter(checkpoint: Path, questions: Rows) -> None:
    job = make_job(checkpoint, questions)
    outcome = run(job)
    assert rescore(job.spec, questions, outcome.predictions[::-1]) == outcome.metrics


def test_a_tampered_text_is_scored_as_it_stands(checkpoint: Path, questions: Rows) -> None:
    rows = {"th": questions["th"]}
    job = make_job(checkpoint, rows)
    right = [replace(each, text="กรุงเทพมหานคร") for each in run(job).predictions]
    assert rescore(job.spec, rows, right)["th"]["exact_match"] == 100


def test_predictions_of_other_rows_are_one_clear_line(checkpoint: Path, questions: Rows) -> None:
    job = make_job(checkpoint, questions)
    said = run(job).predictions
    language = said[0].language
    line = f"predictions of {language}: found 2, .* 3 rows: 1 have none .the first: {language}-0"
    with pytest.raises(UserError, match=line):
        rescore(job.spec, questions, said[1:])


def test_an_answer_that_is_there_twice_is_no_answer_to_another(
    checkpoint: Path, questions: Rows
) -> None:
    rows = {"th": questions["th"]}
    job = make_job(checkpoint, rows)
    said = run(job).predictions
    with pytest.raises(UserError, match="found 4, expected one for each of 3 rows"):
        rescore(job.spec, rows, [*said, said[0]])


def test_rounding_is_no_difference_and_the_least_change_of_an_answer_is() -> None:
    one_of_a_million = 50.0 + 1e-4
    stored = {"sw": {"f1": 100 / 3, "exact_match": 50.0}}
    again = {"sw": {"f1": 100 / 3 * (1 + 1e-12), "exact_match": one_of_a_million}}
    verdicts = {each.metric: each.verdict for each in compare(stored, again)}
    assert verdicts == {"f1": "equal", "exact_match": "differs"}


def test_nothing_again_is_nothing_still() -> None:
    stored = {"sw": {"f1": math.nan, "exact_match": 0.0}}
    again = {"sw": {"f1": math.nan, "exact_match": 1e-12}}
    assert [each.verdict for each in compare(stored, again)] == ["equal", "equal"]


def test_a_metric_that_only_one_side_has_is_new_or_gone() -> None:
    found = compare({"sw": {"f1": 1.0, "old": 2.0}}, {"sw": {"f1": 1.0, "new": 3.0}})
    assert [(each.metric, each.verdict, each.difference) for each in found] == [
        ("f1", "equal", 0.0), ("old", "gone", None), ("new", "new", None),
    ]  # fmt: skip


def test_a_language_that_the_result_lacks_is_new() -> None:
    (figure,) = compare({}, {"bn": {"f1": 3.0}})
    assert (figure.language, figure.stored, figure.again) == ("bn", None, 3.0)
