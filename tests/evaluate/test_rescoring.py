from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.checkpoints import make_job
from tests.evaluate.runs import run
from xtl.errors import UserError
from xtl.evaluate.predictions import read_predictions, write_predictions
from xtl.evaluate.rescoring import rescore

Rows = dict[str, list[dict[str, Any]]]


@pytest.mark.parametrize("family", ["span-qa", "retrieval"])
def test_metrics_are_the_same_from_the_stored_predictions(
    family: str, checkpoint: Path, questions: Rows, pairs: Rows, tmp_path: Path
) -> None:
    rows = questions if family == "span-qa" else pairs
    outcome = run(make_job(checkpoint, rows, family))
    path = tmp_path / "predictions.parquet"
    write_predictions(path, outcome.predictions)
    assert rescore(family, rows, read_predictions(path)) == outcome.metrics


def test_the_order_of_the_file_does_not_matter(checkpoint: Path, questions: Rows) -> None:
    outcome = run(make_job(checkpoint, questions))
    assert rescore("span-qa", questions, outcome.predictions[::-1]) == outcome.metrics


def test_a_tampered_text_is_scored_as_it_stands(checkpoint: Path, questions: Rows) -> None:
    rows = {"th": questions["th"]}
    said = run(make_job(checkpoint, rows)).predictions
    right = [type(each)(each.example_id, "th", "กรุงเทพมหานคร", 0.0, each.metrics) for each in said]
    assert rescore("span-qa", rows, right)["th"]["exact_match"] == 100


def test_predictions_of_other_rows_are_one_clear_line(checkpoint: Path, questions: Rows) -> None:
    said = run(make_job(checkpoint, questions)).predictions
    with pytest.raises(UserError, match=r"26 .* 27 rows, 1 rows without|2 for 3 rows, 1 rows"):
        rescore("span-qa", questions, said[1:])
