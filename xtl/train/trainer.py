"""A training from its spec to its artifact, on every rank alike."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import torch.distributed as dist
from torch import Tensor

from xtl.model.device import device
from xtl.model.heads import Head
from xtl.sweep.shard import TrainSpec
from xtl.tasks.pools import Pool
from xtl.train import checkpoint
from xtl.train.building import build, vocabulary
from xtl.train.distributed import gathered, on_rank_zero
from xtl.train.engine import Engine
from xtl.train.handover import Published, Weights, publish
from xtl.train.history import History, TrainOutcome, is_degenerate, last_tenth
from xtl.train.hooks import Hooks
from xtl.train.lessons import Lessons
from xtl.train.selection import Validator, best, exhausted, validated_after, validation_sets
from xtl.train.settings import EngineSettings
from xtl.train.timing import begin_peak, peak_bytes
from xtl.train.update import DivergedError, Updater

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainJob:
    """What to train, and where its files go.

    `pools` are the tokenised pools of the spec's parts, of which it takes subsets, `reported` those
    of the sets that an oracle reads; `start_from` is the public model's folder or the parent's
    artifact, and `start` its digest; `checkpoints` is a folder of this shard alone.
    """

    spec: TrainSpec
    pools: tuple[Pool, ...]
    start_from: Path
    start: str
    checkpoints: Path
    artifact: Path
    engine: EngineSettings
    reported: tuple[Pool, ...] = ()

    @property
    def layout(self) -> checkpoint.Layout:
        return checkpoint.Layout(self.engine.ranks, self.engine.zero_stage, self.start)


def train(job: TrainJob, hooks: Hooks) -> TrainOutcome:
    """Train, going on from the last good checkpoint, and hand over. Collective.

    Raises DivergedError; UserError for a subset without a usable example, a head that does not
    fit, or an unknown part to freeze; and what `hooks.fence` raises: each on every rank.
    """
    begin_peak(device())
    lessons = Lessons(job.spec, job.pools, cache(partial(vocabulary, job.start_from)))
    given = validation_sets(job.spec, job.pools, job.reported)
    engine = Engine(build(job.spec, job.start_from), job.spec, job.engine)
    try:
        history = _resume(engine, job, hooks)
        resumed_from = history.updates
        updater = Updater(engine, job.spec, job.engine, lessons)
        course = _Course(job, hooks, engine, history, updater, Validator(engine, job.engine, given))
        published = course.hand_over() if course.run() else None
        history.spend(engine.clock.take())
        history.memory_bytes = max(history.memory_bytes, *gathered(peak_bytes(device())))
    finally:
        engine.close()
    handed = history.losses[: course.selected]  # what came after is not in the weights
    return TrainOutcome(
        updates=history.updates,
        selected=course.selected,
        resumed_from=resumed_from,
        stopped=published is None,
        skipped=history.skipped,
        final_loss=last_tenth(handed),
        degenerate=is_degenerate(job.spec, lessons.order, handed),
        useful_tokens=history.useful_tokens,
        seconds=history.seconds,
        phases=history.phases,
        utilisation=history.utilisation,
        memory_bytes=history.memory_bytes,
        artifact_digest=published.digest if published else None,
        artifact_bytes=published.bytes if published else 0,
        validations=tuple(history.validations),
    )


def _resume(engine: Engine, job: TrainJob, hooks: Hooks) -> History:
    resumed = checkpoint.load(engine, job.checkpoints, job.layout, hooks.fence)
    for fault in resumed.passed_over:
        log.warning("%s: passed over %s", job.checkpoints, fault)
    if resumed.layout not in (None, job.layout):
        log.warning("%s: %s take over from %s", job.checkpoints, job.layout, resumed.layout)
    return History() if resumed.state is None else History.of(resumed.state)


@dataclass
class _Course:
    """The updates of a training, from where it stands to where it ends. Methods are collective."""

    job: TrainJob
    hooks: Hooks
    engine: Engine
    history: History
    updater: Updater
    validator: Validator

    def __post_init__(self) -> None:
        self._validated_after = validated_after(self.job.spec)
        self._saved_at = time.monotonic()

    def run(self) -> bool:
        """Take what updates are left. False if asked to stop before the last; all is saved then."""
        total = self.job.spec.updates
        self.hooks.saved(self.history.updates)
        self.hooks.progress(self.history.updates, total, {})
        while not self._over:
            report = self.updater.take(
                self.history.updates, stop=self.hooks.stop_requested(), save=self._save_is_due
            )
            self.history.add(report)
            judged = self._validate()
            spent = self.history.spend(self.engine.clock.take())
            values = report.values() | self.history.values() | judged | spent
            self.hooks.progress(self.history.updates, total, values)
            is_best = bool(judged) and self.selected == self.history.updates
            if not self._over and (report.stop or report.save or is_best):
                self._save()
                if report.stop:
                    return False
        return True

    @property
    def selected(self) -> int:
        """The update whose weights are the best so far; the last one where nothing is judged."""
        validations = self.history.validations
        return best(validations).update if validations else self.history.updates

    @property
    def _over(self) -> bool:
        selection, updates = self.job.spec.selection, self.history.updates
        patience = selection.patience if selection else None
        return updates >= self.job.spec.updates or exhausted(self.history.validations, patience)

    @property
    def _save_is_due(self) -> bool:
        """By rank 0's clock."""
        waited = time.monotonic() - self._saved_at
        return dist.get_rank() == 0 and waited >= self.job.engine.checkpoint_seconds

    def _validate(self) -> dict[str, float]:
        """What there is to be logged of it, where the model is to be judged now."""
        if self.history.updates not in self._validated_after:
            return {}
        with self.engine.clock("judging"):
            validation = self.validator.validate(self.history.updates)
        self.history.validations.append(validation)
        return {"selection/accuracy": validation.accuracy, "selection/loss": validation.loss}

    def _save(self) -> None:
        with self.engine.clock("checkpoint"):
            checkpoint.save(
                self.engine,
                self.job.checkpoints,
                self.history.updates,
                asdict(self.history),
                self.job.layout,
                self.hooks.fence,
                best=self.selected if self.history.validations else None,
            )
        self.hooks.saved(self.history.updates)
        self._saved_at = time.monotonic()

    def hand_over(self) -> Published:
        """Publish the weights that were selected."""
        with self.engine.clock("hand-over"):
            job, fence = self.job, self.hooks.fence
            if self.selected != self.history.updates:
                best = self.selected
                checkpoint.load_best(self.engine, job.checkpoints, best, job.layout, fence)
            weights = _weights(self.engine, job.spec)
            return on_rank_zero(lambda: publish(job.artifact, job.start_from, weights, fence))


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
