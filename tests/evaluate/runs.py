"""Evaluations by this process, whole or asked to stop."""

from __future__ import annotations

from dataclasses import dataclass

from xtl.evaluate.evaluator import EvaluateJob, EvaluateOutcome, evaluate


@dataclass
class Reading:
    """An evaluation's outcome, and how many of the rank's `total` sequences it read."""

    outcome: EvaluateOutcome | None = None
    done: int = 0
    total: int = 0

    def progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total


def read(job: EvaluateJob, stop_at: int | None = None) -> Reading:
    """Evaluate; asked to stop once `stop_at` sequences are read, or never."""
    reading = Reading()
    reading.outcome = evaluate(
        job, reading.progress, lambda: stop_at is not None and reading.done >= stop_at
    )
    return reading


def run(job: EvaluateJob) -> EvaluateOutcome:
    """Evaluate to the end."""
    outcome = read(job).outcome
    assert outcome is not None
    return outcome
