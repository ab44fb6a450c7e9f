"""An evaluation that is asked to stop ends early, on all ranks at once, and keeps nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.checkpoints import make_job
from tests.evaluate.ranks import evaluate_on_ranks
from tests.evaluate.runs import read, run
from xtl.evaluate.evaluator import EvaluateJob

Rows = dict[str, list[dict[str, Any]]]

NOTICED = 14  # batches: a piece of seven at most to the next question, and one to its answer


def one_by_one(checkpoint: Path, rows: Rows, family: str) -> EvaluateJob:
    """Every sequence is a batch of its own."""
    return make_job(checkpoint, rows, family, batch_tokens=1)


def test_an_evaluation_that_is_asked_to_stop_ends_soon_and_has_no_outcome(
    checkpoint: Path, questions: Rows
) -> None:
    reading = read(one_by_one(checkpoint, questions, "span-qa"), stop_at=20)
    assert reading.outcome is None
    assert 20 <= reading.done <= 20 + NOTICED < reading.total


def test_one_that_was_asked_before_it_began_reads_hardly_anything(
    checkpoint: Path, pairs: Rows
) -> None:
    reading = read(one_by_one(checkpoint, pairs, "retrieval"), stop_at=0)
    assert reading.outcome is None
    assert reading.done < NOTICED < reading.total


def test_one_that_is_asked_once_all_is_read_goes_on_to_its_scores(
    checkpoint: Path, questions: Rows
) -> None:
    job = make_job(checkpoint, questions)
    everything = read(job).total
    late = read(job, stop_at=everything)
    assert late.outcome is not None
    assert late.outcome.metrics == run(job).metrics


@pytest.mark.slow
@pytest.mark.parametrize("family", ["span-qa", "retrieval"])
def test_all_ranks_stop_together_where_one_of_them_is_asked(
    family: str, checkpoint: Path, questions: Rows, pairs: Rows, tmp_path: Path
) -> None:
    job = one_by_one(checkpoint, questions if family == "span-qa" else pairs, family)
    unasked, asked = evaluate_on_ranks(job, 2, tmp_path, stop_at={1: 8})
    assert (unasked.outcome, asked.outcome) == (None, None)
    for reading in (unasked, asked):
        assert 0 < reading.done < reading.total
    assert asked.done <= 8 + NOTICED


@pytest.mark.slow
def test_ranks_with_unlike_shares_ask_each_other_equally_often(
    checkpoint: Path, questions: Rows, tmp_path: Path
) -> None:
    """Windows of many lengths, two or three a batch: the ranks have other counts of batches."""
    job = make_job(checkpoint, questions, batch_tokens=100)
    readings = evaluate_on_ranks(job, 3, tmp_path)
    assert len({reading.total for reading in readings}) > 1
    first = readings[0].outcome
    assert first is not None
    assert first.predictions == run(job).predictions
