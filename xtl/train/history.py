"""What a training has been so far, and how it is summed up in the end. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Self

from xtl.data.batches import Indices
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import TrainSpec
from xtl.train.selection import Validation
from xtl.train.timing import Phase
from xtl.train.update import Report

LEAST_UPDATES = 20
"""Of a task, for its training to be told degenerate."""


@dataclass(frozen=True)
class TrainOutcome:
    """How a training went; the same on every rank.

    `final_loss` is a mean over the targets of an update, and over the last tenth of the updates up
    to `selected`, whose weights were handed over. `skipped` counts updates
    that fp16 could not take. `degenerate`: see `is_degenerate`. `stopped`: saved and left early, so
    that there is no artifact. Tokens and seconds count earlier attempts too: `seconds` is
    the time in updates, `phases` where it went, and what else took time. `utilisation` is that of
    all updates, `memory_bytes` the worst rank's peak. Times are each rank's own.
    """

    updates: int
    selected: int
    resumed_from: int
    stopped: bool
    skipped: int
    final_loss: float
    degenerate: bool
    useful_tokens: int
    seconds: float
    phases: Mapping[Phase, float]
    utilisation: float | None
    memory_bytes: int
    artifact_digest: str | None
    artifact_bytes: int
    validations: Sequence[Validation] = ()


@dataclass
class History:
    """Part of every checkpoint. `seconds` is the time in updates, `phases` where time went: that of
    saving a checkpoint is in the next one. `least_seconds`: see `Report`."""

    losses: list[float] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    skipped: int = 0
    useful_tokens: int = 0
    seconds: float = 0.0
    phases: dict[Phase, float] = field(default_factory=dict)
    least_seconds: float | None = 0.0
    memory_bytes: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Out of a checkpoint: `asdict` of what it was, by earlier names too."""
        kept = dict(state)
        found = kept.pop("validations", kept.pop("verdicts", ()))
        validations = [Validation(**each) for each in found]
        return cls(**{"least_seconds": None, **kept, "validations": validations})

    @property
    def updates(self) -> int:
        return len(self.losses)

    @property
    def utilisation(self) -> float | None:
        """Of all updates; None where that of any is not known."""
        return self.least_seconds / self.seconds if self.least_seconds else None

    def values(self) -> dict[str, float]:
        """As W&B shows them: what has been skipped so far, once there is any."""
        return {"train/skipped": float(self.skipped)} if self.skipped else {}

    def add(self, report: Report) -> None:
        self.losses.append(report.loss)
        self.skipped += report.skipped
        self.useful_tokens += report.useful_tokens
        self.seconds += report.seconds
        self.memory_bytes = max(self.memory_bytes, report.memory_bytes)
        if self.least_seconds is None or report.least_seconds is None:
            self.least_seconds = None
        else:
            self.least_seconds += report.least_seconds

    def spend(self, seconds: Mapping[Phase, float]) -> dict[str, float]:
        """Add what was spent by phase; as W&B shows it."""
        for phase, spent in seconds.items():
            self.phases[phase] = self.phases.get(phase, 0.0) + spent
        return {f"seconds/{phase}": spent for phase, spent in seconds.items()}


def last_tenth(losses: Sequence[float]) -> float:
    """Their mean."""
    return mean(losses[-max(1, len(losses) // 10) :])


def mean(losses: Sequence[float]) -> float:
    """Of those that are finite: of an update that fp16 skipped, the loss may not be."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    return fmean(finite) if finite else math.inf


def is_degenerate(spec: TrainSpec, order: Indices, losses: Sequence[float]) -> bool:
    """Whether no task was learnt: of each, the loss over the last tenth of its updates is no better
    than over the first. Not judged are heads that were trained before, and tasks of few updates,
    whose batches' noise would be the judge."""
    fell = []
    for number, part in enumerate(spec.parts):
        mine = [loss for loss, task in zip(losses, order, strict=False) if task == number]
        trained_before = part.family == MASKED_LM or (number == 0 and spec.head_of is not None)
        if len(mine) >= LEAST_UPDATES and not trained_before:
            first_tenth = mean(mine[: len(mine) // 10])
            fell.append(last_tenth(mine) < first_tenth)
    return bool(fell) and not any(fell)
