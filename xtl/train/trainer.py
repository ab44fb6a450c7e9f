"""A training from its spec to its artifact, on every rank alike."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import torch
import torch.distributed as dist
from torch import Tensor

from xtl.errors import UserError
from xtl.model.encoder import TaskModel, freeze, load_encoder
from xtl.sweep.shard import Part, TrainSpec
from xtl.tasks.families import trainable_family
from xtl.tasks.family import TrainableFamily
from xtl.tasks.pools import Pool
from xtl.train import checkpoint
from xtl.train.distributed import on_rank_zero
from xtl.train.engine import Engine, EngineSettings
from xtl.train.handover import Published, Weights, publish
from xtl.train.hooks import Hooks
from xtl.train.update import DivergedError, Examples, Report, Updater

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
    last tenth of them. `degenerate`: it never fell below the untrained head's. `stopped`: saved
    and left early, so that there is no artifact. Tokens and seconds count earlier attempts too.
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
        return fmean(self.losses[-max(1, self.updates // 10) :])

    @property
    def degenerate(self) -> bool:
        """Whether the last tenth's loss is no better than that of the untrained head."""
        return self.updates > 1 and self.final_loss >= self.losses[0]

    def add(self, report: Report) -> None:
        self.losses.append(report.loss)
        self.useful_tokens += report.useful_tokens
        self.seconds += report.seconds


def train(job: TrainJob, hooks: Hooks) -> TrainOutcome:
    """Train, going on from the last good checkpoint, and hand over. Collective.

    Raises DivergedError; UserError for several parts, a subset without a usable example or an
    unknown part to freeze; and what `hooks.fence` raises: each on every rank.
    """
    family = trainable_family(_part(job).family)
    examples = _examples(job)
    engine = Engine(_model(job, family), job.spec, job.engine)
    try:
        history = _resume(engine, job)
        resumed_from = history.updates
        updater = Updater(engine, job.spec, job.engine, family, examples)
        finished = _run(updater, engine, history, job, hooks)
        published = _hand_over(engine, job, hooks) if finished else None
    finally:
        engine.close()
    return _outcome(history, resumed_from, published)


def _part(job: TrainJob) -> Part:
    """The one part that there may be."""
    if len(job.spec.parts) != 1:
        names = ", ".join(part.task for part in job.spec.parts)
        raise UserError(
            f"training: found the tasks {names}, expected one: several at once are not possible yet"
        )
    return job.spec.parts[0]


def _examples(job: TrainJob) -> Examples:
    """The subset's windows, in the subset's own order, whatever the order of the pool's rows."""
    part, (pool,) = _part(job), job.pools
    windows = pool.examples(pool.subset(part.examples, job.spec.subset_seed, part.subset))
    if not windows:
        raise UserError(f"{part.task}: none of {part.examples} examples can be trained on")
    return Examples(windows, windows.shortest, pool.pad)


def _model(job: TrainJob, family: TrainableFamily) -> TaskModel:
    recipe = job.spec.recipe
    encoder = load_encoder(job.start_from, recipe.dropout)
    freeze(encoder, job.spec.freeze)
    torch.manual_seed(job.spec.seed)
    return TaskModel(encoder, family.head(encoder.config.hidden_size, recipe.dropout), family.loss)


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
    weights = _weights(engine)
    return on_rank_zero(
        lambda: publish(job.artifact, job.start_from, weights, _part(job).task, hooks.fence)
    )


def _weights(engine: Engine) -> Weights:
    """The masters, whole, on rank 0; other ranks take part and keep nothing. Collective."""
    parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "head": {}}
    for name, master in engine.masters():
        if not master.isfinite().all():
            raise DivergedError(f"{name} is not finite after the last update")
        part, _, own_name = name.partition(".")
        if dist.get_rank() == 0:
            parts[part][own_name] = master.cpu()
    frozen = [name.removeprefix("encoder.") for name in engine.frozen]
    return Weights(parts["encoder"], parts["head"], frozen)


def _outcome(history: History, resumed_from: int, published: Published | None) -> TrainOutcome:
    return TrainOutcome(
        updates=history.updates,
        resumed_from=resumed_from,
        stopped=published is None,
        final_loss=history.final_loss,
        mean_loss=fmean(history.losses),
        degenerate=history.degenerate,
        useful_tokens=history.useful_tokens,
        seconds=history.seconds,
        artifact_digest=published.digest if published else None,
        artifact_bytes=published.bytes if published else 0,
    )
