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
from xtl.sweep.shard import TrainSpec
from xtl.tasks.family import Feature
from xtl.train.distributed import device, totals
from xtl.train.engine import Engine, EngineSettings
from xtl.train.lessons import Lesson, Lessons

Hands = list[list[list[int]]]
"""For each rank, and each of its micro-batches, places in an update's features."""


class DivergedError(Exception):
    """A loss, gradient or weight is not finite: a result, to be told and not to be retried."""


@dataclass(frozen=True)
class Report:
    """What an update was, over all ranks; `loss` and `accuracy` are means over its targets.

    `task` is empty where the training has one alone. `stop` and `save`: whether any rank asked
    for it.
    """

    task: str
    loss: float
    accuracy: float
    learning_rate: float
    grad_norm: float | None
    useful_tokens: int
    slots: int
    seconds: float
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
        }
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

    def take(self, update: int, stop: bool, save: bool) -> Report:
        """Take update number `update`, from 0. Raises DivergedError, on every rank."""
        started = time.perf_counter()
        lesson = self._lessons.of(update)
        lengths = [len(feature.input_ids) for feature in lesson.features]
        hands = dealt(lesson, self._settings)
        local = self._accumulate(update, lesson, hands[dist.get_rank()])
        loss, correct, stops, saves = totals([*local, stop, save])
        if not math.isfinite(loss):
            raise DivergedError(f"update {update + 1}: the loss is {loss}")
        learning_rate = self._engine.learning_rate
        return Report(
            task=lesson.task if len(self._spec.parts) > 1 else "",
            loss=loss / lesson.targets,
            accuracy=correct / lesson.targets,
            learning_rate=learning_rate,
            grad_norm=self._step(update),
            useful_tokens=sum(lengths),
            slots=slots(lengths, hands),
            seconds=time.perf_counter() - started,
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

    def _step(self, update: int) -> float | None:
        norm = self._engine.step()
        if norm is not None and not math.isfinite(norm):
            raise DivergedError(f"update {update + 1}: the gradient's norm is {norm}")
        return norm


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
