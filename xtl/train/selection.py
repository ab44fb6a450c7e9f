"""Selection: which checkpoint is handed over, where a manifest asks for another than the last.

It is judged at equal fractions of the training, by the share of right targets (of a question's
window: both ends of the answer) among rows that were kept out, a mean over the training's tasks;
the loss tells between equals. Nothing here draws from a random generator, so that a training that
is judged takes the same updates as one that is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
import torch.distributed as dist

from xtl.data.batches import collate
from xtl.data.subsets import Indices, sampled
from xtl.errors import UserError
from xtl.model.device import device
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import Part, TrainSpec
from xtl.tasks.families import trainable_family
from xtl.tasks.family import Feature
from xtl.tasks.pools import Pool
from xtl.train.distributed import totals
from xtl.train.engine import Engine
from xtl.train.lessons import Lesson
from xtl.train.settings import EngineSettings
from xtl.train.update import DivergedError, dealt

_DIGITS = 4  # of a loss: as many as tell anything of two checkpoints


@dataclass(frozen=True)
class Validation:
    """How good a model was after so many updates: means over tasks or sets."""

    update: int
    accuracy: float
    loss: float


def best(validations: Sequence[Validation]) -> Validation:
    """The most accurate; of equals the one with the least loss, and then the earliest.

    Losses that differ in rounding alone are equal, as other numbers of ranks round otherwise.
    """
    return max(validations, key=lambda each: (each.accuracy, -round(each.loss, _DIGITS)))


def exhausted(validations: Sequence[Validation], patience: int | None) -> bool:
    """Whether the last `patience` validations, or more, brought nothing better."""
    if patience is None or not validations:
        return False
    return len(validations) - 1 - validations.index(best(validations)) >= patience


def validated_after(spec: TrainSpec) -> frozenset[int]:
    """After how many updates the model is judged: the last one among them, if any."""
    if spec.selection is None:
        return frozenset()
    times = spec.selection.evaluations
    return frozenset(-(-spec.updates * part // times) for part in range(1, times + 1))


def validation_sets(
    spec: TrainSpec, pools: Sequence[Pool], reported: Sequence[Pool]
) -> list[Lesson]:
    """What the model is judged by: of each part that is, what its pool keeps out; or the oracle's
    sets, of which `reported` are the pools, by the first part's head.

    UserError where there is nothing to be asked.
    """
    chosen = spec.selection
    if chosen is None:
        return []
    if chosen.reported:
        asked = zip(chosen.reported, reported, strict=True)
        return [
            _validation_set(0, part, pool, sampled(pool.rows, part.examples))
            for part, pool in asked
        ]
    return [
        _validation_set(number, part, pool, pool.held_out(chosen.held_out, spec.subset_seed))
        for number, (part, pool) in enumerate(zip(spec.parts, pools, strict=True))
        if part.family != MASKED_LM
    ]


class Validator:
    """Judges the model as it is. Collective, as the engine is."""

    def __init__(self, engine: Engine, settings: EngineSettings, given: Sequence[Lesson]) -> None:
        self._engine, self._settings, self._sets = engine, settings, given
        self._hands = [dealt(each, settings)[dist.get_rank()] for each in given]

    def validate(self, update: int) -> Validation:
        """The same on every rank; other numbers of ranks change it by rounding only.

        Raises DivergedError, on every rank, where a loss is not finite.
        """
        sums = [
            totals(self._read(each, hand))
            for each, hand in zip(self._sets, self._hands, strict=True)
        ]
        counts = [each.targets for each in self._sets]
        losses, correct = zip(*sums, strict=True)
        found = Validation(update, _mean_share(correct, counts), _mean_share(losses, counts))
        if not math.isfinite(found.loss):
            raise DivergedError(f"update {update}: the loss that it is judged by is {found.loss}")
        return found

    def _read(self, given: Lesson, hand: Sequence[Sequence[int]]) -> list[float]:
        """(sum of losses, correct targets) of this rank's part."""
        sums = torch.zeros(2, dtype=torch.float64, device=device())
        for places in hand:
            chosen: Sequence[Feature] = [given.features[place] for place in places]
            batch = collate(chosen or given.stand_in, given.pad)
            loss, correct = self._engine.measure(batch, given.number)
            if chosen:
                sums += torch.stack([loss.double(), correct.double()])
        found: list[float] = sums.tolist()
        return found


def _validation_set(number: int, part: Part, pool: Pool, rows: Indices) -> Lesson:
    """What these rows ask the head of that number."""
    examples, family = pool.examples(rows), trainable_family(part.family)
    if not examples:
        raise UserError(
            f"selection: found {len(rows)} rows of {part.task} to judge by and nothing to be asked "
            "in them, expected more (whole paragraphs are held out, as they fit `rows`)"
        )
    features = [window for windows in examples for window in windows]
    return Lesson(
        number=number,
        task=part.task,
        features=features,
        targets=sum(map(family.targets, features)),
        together=family.together,
        stand_in=examples.shortest,
        pad=pool.pad,
    )


def _mean_share(sums: Sequence[float], counts: Sequence[int]) -> float:
    return fmean(total / count for total, count in zip(sums, counts, strict=True))
