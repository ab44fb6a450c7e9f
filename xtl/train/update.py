"""One update: its features dealt to the ranks, their losses summed, one step taken."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from xtl.data.batches import collate, deal, slots, update_examples
from xtl.sweep.shard import TrainSpec
from xtl.tasks.family import Feature, TrainableFamily
from xtl.train.distributed import device, totals
from xtl.train.engine import Engine, EngineSettings


class DivergedError(Exception):
    """A loss, gradient or weight is not finite: a result, to be told and not to be retried."""


@dataclass(frozen=True)
class Examples:
    """The windows of each example of the subset, at least one each, made when they are asked for;
    the shortest of all, and the id that pads them."""

    windows: Sequence[Sequence[Feature]]
    shortest: Feature
    pad: int


@dataclass(frozen=True)
class Report:
    """What an update was, over all ranks; `loss` and `accuracy` are means over its targets.

    `stop` and `save`: whether any rank asked for it.
    """

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
        return values if self.grad_norm is None else values | {"train/grad_norm": self.grad_norm}


class Updater:
    """Takes updates of one training. Collective, as the engine is."""

    def __init__(
        self, engine: Engine, spec: TrainSpec, settings: EngineSettings, family: TrainableFamily,
        examples: Examples,
    ) -> None:  # fmt: skip
        self._engine, self._spec, self._settings = engine, spec, settings
        self._family, self._examples = family, examples
        # For a rank that has nothing left to compute, but must take part in collectives.
        self._stand_in = [examples.shortest]

    def take(self, update: int, stop: bool, save: bool) -> Report:
        """Take update number `update`, from 0. Raises DivergedError, on every rank."""
        started = time.perf_counter()
        features = self._features(update)
        lengths = [len(feature.input_ids) for feature in features]
        hands = deal(lengths, self._settings.ranks, self._settings.micro_batch)
        targets = sum(self._family.targets(feature) for feature in features)
        local = self._accumulate(update, features, hands[dist.get_rank()], targets)
        loss, correct, stops, saves = totals([*local, stop, save])
        if not math.isfinite(loss):
            raise DivergedError(f"update {update + 1}: the loss is {loss}")
        learning_rate = self._engine.learning_rate
        return Report(
            loss=loss / targets,
            accuracy=correct / targets,
            learning_rate=learning_rate,
            grad_norm=self._step(update),
            useful_tokens=sum(lengths),
            slots=slots(lengths, hands),
            seconds=time.perf_counter() - started,
            stop=stops > 0,
            save=saves > 0,
        )

    def _features(self, update: int) -> list[Feature]:
        windows, recipe = self._examples.windows, self._spec.recipe
        places = update_examples(len(windows), recipe.batch_size, update, self._spec.seed)
        return [window for place in places for window in windows[place]]

    def _accumulate(
        self, update: int, features: Sequence[Feature], hand: Sequence[Sequence[int]], targets: int
    ) -> tuple[float, float]:
        """(sum of losses, correct targets) of this rank's micro-batches."""
        sums = torch.zeros(2, device=device())
        for number, places in enumerate(hand):
            chosen = [features[place] for place in places]
            batch = collate(chosen or self._stand_in, self._examples.pad)
            seed_dropout(self._spec.seed, update, number, dist.get_rank())
            loss, correct = self._engine.accumulate(
                batch, weight=1 / targets if chosen else 0.0, last=number == len(hand) - 1
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


def seed_dropout(seed: int, update: int, micro_batch: int, rank: int) -> None:
    """Seed torch for one micro-batch from where it stands in the training.

    So dropout's masks need no state to be resumed; nothing else here draws from any generator.
    """
    place = np.random.SeedSequence((seed, update, micro_batch, rank))
    torch.manual_seed(int(place.generate_state(1, np.uint64)[0]))
