"""A training from its spec to its artifact, on every rank alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from statistics import fmean

import torch.distributed as dist
from torch import Tensor

from xtl.data.batches import Indices
from xtl.model.heads import Head
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import TrainSpec
from xtl.tasks.pools import Pool
from xtl.train import checkpoint
from xtl.train.building import build, vocabulary
from xtl.train.distributed import on_rank_zero
from xtl.train.engine import Engine, EngineSettings
from xtl.train.handover import Published, Weights, publish
from xtl.train.hooks import Hooks
from xtl.train.lessons import Lessons
from xtl.train.update import DivergedError, Report, Updater

JUDGED_UPDATES = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainJob:
    """What to train, and where its files go.

    `pools` are the tokenised pools of the spec's parts, of which it takes subsets; `start_from` is
    the public model's folder or the parent's artifact, and `start` its digest; `checkpoints` is a
    folder of this shard alone.
    """

    spec: TrainSpec
    pools: tuple[Pool, ...]
    start_from: Path
    start: str
    checkpoints: Path
    artifact: Path
    engine: EngineSettings


@dataclass(frozen=True)
class TrainOutcome:
    """How a training went; the same on every rank.

    Losses are means over an update's targets: `mean_loss` over all updates, `final_loss` over the
    last tenth of them. `degenerate`: see `is_degenerate`. `stopped`: saved and left early, so that
    there is no artifact. Tokens and seconds count earlier attempts too.
    """

    updates: int
    resumed_from: int
    stopped: bool
    final_loss: float
    mean_loss: float
    degenerate: bool
    useful_tokens: int
    seconds: float
    artifact_digest: str | None
    artifact_bytes: int


@dataclass
class History:
    """What has been so far; part of every checkpoint. `seconds` is the time in updates."""

    losses: list[float] = field(default_factory=list)
    useful_tokens: int = 0
    seconds: float = 0.0

    @property
    def updates(self) -> int:
        return len(self.losses)

    @property
    def final_loss(self) -> float:
        return last_tenth(self.losses)

    def add(self, report: Report) -> None:
        self.losses.append(report.loss)
        self.useful_tokens += report.useful_tokens
        self.seconds += report.seconds


def last_tenth(losses: Sequence[float]) -> float:
    """Their mean."""
    return fmean(losses[-max(1, len(losses) // 10) :])


def train(job: TrainJob, hooks: Hooks) -> TrainOutcome:
    """Train, going on from the last good checkpoint, and hand over. Collective.

    Raises DivergedError; UserError for a subset without a usable example, a head that does not
    fit, or an unknown part to freeze; and what `hooks.fence` raises: each on every rank.
    """
    lessons = Lessons(job.spec, job.pools, cache(partial(vocabulary, job.start_from)))
    engine = Engine(build(job.spec, job.start_from), job.spec, job.engine)
    try:
        history = _resume(engine, job)
        resumed_from = history.updates
        updater = Updater(engine, job.spec, job.engine, lessons)
        finished = _run(updater, engine, history, job, hooks)
        published = _hand_over(engine, job, hooks) if finished else None
    finally:
        engine.close()
    return _outcome(job.spec, lessons, history, resumed_from, published)


def _resume(engine: Engine, job: TrainJob) -> History:
    resumed = checkpoint.load(engine, job.checkpoints, _layout(job))
    for fault in resumed.passed_over:
        log.warning("%s: passed over %s", job.checkpoints, fault)
    return History() if resumed.state is None else History(**resumed.state)


def _run(
    updater: Updater, engine: Engine, history: History, job: TrainJob, hooks: Hooks
) -> bool:  # fmt: skip
    """Take what updates are left. False if asked to stop before the last one; all is saved then."""
    total = job.spec.updates
    hooks.saved(history.updates)
    hooks.progress(history.updates, total, {})
    saved_at = time.monotonic()
    while history.updates < total:
        # Rank 0's clock decides when to save.
        due = dist.get_rank() == 0 and time.monotonic() - saved_at >= job.engine.checkpoint_seconds
        report = updater.take(history.updates, stop=hooks.stop_requested(), save=due)
        history.add(report)
        hooks.progress(history.updates, total, report.values())
        if (report.stop or report.save) and history.updates < total:
            _save(engine, history, job, hooks)
            saved_at = time.monotonic()
            if report.stop:
                return False
    return True


def _save(engine: Engine, history: History, job: TrainJob, hooks: Hooks) -> None:
    checkpoint.save(
        engine, job.checkpoints, history.updates, asdict(history), _layout(job), hooks.fence
    )
    hooks.saved(history.updates)


def _layout(job: TrainJob) -> checkpoint.Layout:
    return checkpoint.Layout(job.engine.ranks, job.engine.zero_stage, job.start)


def _hand_over(engine: Engine, job: TrainJob, hooks: Hooks) -> Published:
    weights = _weights(engine, job.spec)
    return on_rank_zero(lambda: publish(job.artifact, job.start_from, weights, hooks.fence))


def _weights(engine: Engine, spec: TrainSpec) -> Weights:
    """The masters, whole, on rank 0; other ranks take part and keep nothing. Collective."""
    encoder: dict[str, Tensor] = {}
    heads: list[dict[str, Tensor]] = [{} for _ in spec.parts]
    for name, master in engine.masters():
        if not master.isfinite().all():
            raise DivergedError(f"{name} is not finite after the last update")
        if dist.get_rank() == 0:
            room, _, own_name = name.partition(".")
            if room == "encoder":
                encoder[own_name] = master.cpu()
            else:
                number, _, own_name = own_name.partition(".")
                heads[int(number)][own_name] = master.cpu()
    frozen = [name.removeprefix("encoder.") for name in engine.frozen]
    handed = [
        Head(part.task, part.family, part.labels, tensors)
        for part, tensors in zip(spec.parts, heads, strict=True)
    ]
    return Weights(encoder, handed, frozen)


def _outcome(
    spec: TrainSpec, lessons: Lessons, history: History, resumed_from: int,
    published: Published | None,
) -> TrainOutcome:  # fmt: skip
    return TrainOutcome(
        updates=history.updates,
        resumed_from=resumed_from,
        stopped=published is None,
        final_loss=history.final_loss,
        mean_loss=fmean(history.losses),
        degenerate=is_degenerate(spec, lessons.order, history.losses),
        useful_tokens=history.useful_tokens,
        seconds=history.seconds,
        artifact_digest=published.digest if published else None,
        artifact_bytes=published.bytes if published else 0,
    )


def is_degenerate(spec: TrainSpec, order: Indices, losses: Sequence[float]) -> bool:
    """Whether no task was learnt: of each, the loss over the last tenth of its updates is no better
    than over the first. Not judged are heads that were trained before, and tasks of few updates,
    whose batches' noise would be the judge."""
    fell = []
    for number, part in enumerate(spec.parts):
        mine = [loss for loss, task in zip(losses, order, strict=False) if task == number]
        trained_before = part.family == MASKED_LM or (number == 0 and spec.head_of is not None)
        if len(mine) >= JUDGED_UPDATES and not trained_before:
            first_tenth = fmean(mine[: len(mine) // 10])
            fell.append(last_tenth(mine) < first_tenth)
    return bool(fell) and not any(fell)
