"""One update: its features dealt to the ranks, their losses summed, one step taken."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.distributed as dist

from xtl.data.batches import collate, deal, slots
from xtl.model.device import device
from xtl.sweep.shard import TrainSpec
from xtl.tasks.family import Feature
from xtl.train.distributed import totals
from xtl.train.engine import Engine
from xtl.train.lessons import Lesson, Lessons
from xtl.train.settings import EngineSettings
from xtl.train.timing import peak_bytes, peak_operations

Hands = list[list[list[int]]]
"""For each rank, and each of its micro-batches, places in an update's features."""


class DivergedError(Exception):
    """A loss, gradient or weight is not finite: a result, to be told and not to be retried."""


@dataclass(frozen=True)
class Report:
    """What an update was, over all ranks; `loss` and `accuracy` are means over its targets.

    `task` is empty where the training has one alone. `skipped`: fp16 overflowed, so that the
    weights stay as they were. `stop` and `save`: whether any rank asked for it. `least_seconds`: in
    which the devices, at what their data sheets promise, would have done what there was to do for
    useful tokens; None where that is not known. `memory_bytes`: what the worst rank had held at
    once before it took this update's step.
    """

    task: str
    loss: float
    accuracy: float
    learning_rate: float
    grad_norm: float | None
    skipped: bool
    useful_tokens: int
    slots: int
    seconds: float
    least_seconds: float | None
    memory_bytes: int
    stop: bool
    save: bool

    def values(self) -> dict[str, float]:
        """As W&B shows them."""
        values = {
            "train/loss": self.loss,
            "train/accuracy": self.accuracy,
            "train/lr": self.learning_rate,
            "train/useful_tokens_per_s": self.useful_tokens / self.seconds,
            "train/padding_share": 1 - self.useful_tokens / self.slots,
            "memory/peak_gib": self.memory_bytes / 2**30,
        }
        if self.least_seconds is not None:
            values |= {"train/utilisation": self.least_seconds / self.seconds}
        if self.task:
            values |= {f"train/{self.task}/loss": self.loss}
        return values if self.grad_norm is None else values | {"train/grad_norm": self.grad_norm}


class Updater:
    """Takes updates of one training. Collective, as the engine is."""

    def __init__(
        self, engine: Engine, spec: TrainSpec, settings: EngineSettings, lessons: Lessons
    ) -> None:
        self._engine, self._spec, self._settings = engine, spec, settings
        self._lessons = lessons
        self._work = engine.work
        self._peak = peak_operations(engine.device, spec.precision)

    def take(self, update: int, stop: bool, save: bool) -> Report:
        """Take update number `update`, from 0. Raises DivergedError, on every rank."""
        started = time.perf_counter()
        with self._engine.clock("data"):
            lesson = self._lessons.of(update)
            lengths = [len(feature.input_ids) for feature in lesson.features]
            hands = dealt(lesson, self._settings)
        local = self._accumulate(update, lesson, hands[dist.get_rank()])
        loss, correct, stops, saves, *peaks = totals([*local, stop, save, *self._peak_of_rank()])
        if not math.isfinite(loss) and self._spec.precision != "fp16":  # fp16 scales down and skips
            raise DivergedError(f"update {update + 1}: the loss is {loss}")
        learning_rate = self._engine.learning_rate
        norm, skipped = self._step(update)
        return Report(
            task=lesson.task if len(self._spec.parts) > 1 else "",
            loss=loss / lesson.targets,
            accuracy=correct / lesson.targets,
            learning_rate=learning_rate,
            grad_norm=norm,
            skipped=skipped,
            useful_tokens=sum(lengths),
            slots=slots(lengths, hands),
            seconds=time.perf_counter() - started,
            least_seconds=self._least_seconds(lengths),
            memory_bytes=int(max(peaks)),
            stop=stops > 0,
            save=saves > 0,
        )

    def _accumulate(
        self, update: int, lesson: Lesson, hand: Sequence[Sequence[int]]
    ) -> tuple[float, float]:
        """(sum of losses, correct targets) of this rank's micro-batches."""
        sums = torch.zeros(2, device=device())
        for number, places in enumerate(hand):
            chosen: Sequence[Feature] = [lesson.features[place] for place in places]
            with self._engine.clock("data"):
                batch = collate(chosen or lesson.stand_in, lesson.pad)
            seed_dropout(self._spec.seed, update, number, dist.get_rank())
            loss, correct = self._engine.accumulate(
                batch,
                weight=1 / lesson.targets if chosen else 0.0,
                last=number == len(hand) - 1,
                task=lesson.number,
            )
            if chosen:
                sums += torch.stack([loss, correct.to(loss.dtype)])
        total_loss, total_correct = sums.tolist()
        return total_loss, total_correct

    def _peak_of_rank(self) -> list[float]:
        """At this rank's place; summed with the others', which have zeros there, it is all's."""
        peaks = [0.0] * dist.get_world_size()
        peaks[dist.get_rank()] = float(peak_bytes(self._engine.device))
        return peaks

    def _least_seconds(self, lengths: Sequence[int]) -> float | None:
        if self._work is None or self._peak is None:
            return None
        return self._work.operations(lengths) / (self._peak * dist.get_world_size())

    def _step(self, update: int) -> tuple[float | None, bool]:
        """(the gradient's norm, whether fp16 overflowed and lowers its scale for the next one)."""
        skipped = self._engine.skipped
        norm = self._engine.step()
        if self._engine.skipped > skipped:
            return None, True
        if norm is not None and not math.isfinite(norm):
            raise DivergedError(f"update {update + 1}: the gradient's norm is {norm}")
        return norm, False


def dealt(lesson: Lesson, settings: EngineSettings) -> Hands:
    """The lesson's features by rank and micro-batch; those of an example together, if they must be.

    A micro-batch then has as many examples as fit, and one at least.
    """
    lengths = [len(feature.input_ids) for feature in lesson.features]
    if not lesson.together:
        return deal(lengths, settings.ranks, settings.micro_batch)
    units = _units(lesson.features)
    most = max(map(len, units))
    hands = deal(
        [sum(lengths[place] for place in unit) for unit in units],
        settings.ranks,
        max(1, settings.micro_batch // most),
    )
    return [
        [[place for unit in cards for place in units[unit]] for cards in hand] for hand in hands
    ]


def _units(features: Sequence[Feature]) -> list[range]:
    """Places of each example's features, which stand side by side."""
    starts = [
        place
        for place, feature in enumerate(features)
        if place == 0 or feature.example != features[place - 1].example
    ]
    return [range(start, end) for start, end in pairwise([*starts, len(features)])]


def seed_dropout(seed: int, update: int, micro_batch: int, rank: int) -> None:
    """Seed torch for one micro-batch from where it stands in the training.

    So dropout's masks need no state to be resumed; nothing else here draws from torch's generator.
    """
    place = np.random.SeedSequence((seed, update, micro_batch, rank))
    torch.manual_seed(int(place.generate_state(1, np.uint64)[0]))
