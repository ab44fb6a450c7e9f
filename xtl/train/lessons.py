"""Lessons: what each update of a training is of, a pure function of its spec and its pools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xtl.data.batches import update_examples
from xtl.errors import UserError
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import Part, TrainSpec
from xtl.tasks.families import trainable_family
from xtl.tasks.family import Feature, TrainableFamily, Vocabulary
from xtl.tasks.pools import Pool
from xtl.train.mixture import examples_seed, own_places, task_order

Windows = Sequence[Sequence[Feature]]


@dataclass(frozen=True)
class Lesson:
    """Features that are read together, all of the task of that number, and how many targets they
    have: what an update is of, or what a checkpoint is judged by.

    `together`: the features of an example must share a micro-batch. `stand_in` is for a rank that
    has nothing left to compute, but must take part in collectives; `pad` fills up token ids.
    """

    number: int
    task: str
    features: Sequence[Feature]
    targets: int
    together: bool
    stand_in: Sequence[Feature]
    pad: int


@dataclass(frozen=True)
class _Source:
    """A part's examples: the windows of each, at least one, in the subset's own order."""

    part: Part
    family: TrainableFamily
    windows: Windows
    shortest: Sequence[Feature]
    pad: int


class Lessons:
    """What each update of a training is of. UserError where a subset has no usable example."""

    def __init__(
        self, spec: TrainSpec, pools: Sequence[Pool], vocabulary: Callable[[], Vocabulary]
    ) -> None:
        self._spec, self._vocabulary = spec, vocabulary
        self._sources = [
            _source(part, pool, spec) for part, pool in zip(spec.parts, pools, strict=True)
        ]
        self.order = task_order([part.weight for part in spec.parts], spec.updates, spec.seed)
        self._places = own_places(self.order, len(spec.parts))

    def of(self, update: int) -> Lesson:
        """The lesson of update number `update`, from 0."""
        number, spec = int(self.order[update]), self._spec
        source, seed = self._sources[number], examples_seed(spec.seed, number)
        places = update_examples(
            len(source.windows), spec.recipe.batch_size, int(self._places[update]), seed
        )
        chosen = [window for place in places for window in source.windows[place]]
        family = source.family
        features = family.drawn(chosen, self._vocabulary, (seed, update))
        return Lesson(
            number=number,
            task=source.part.task,
            features=features,
            targets=sum(map(family.targets, features)),
            together=family.together,
            stand_in=family.drawn(source.shortest, self._vocabulary, (seed, update)),
            pad=source.pad,
        )


def _source(part: Part, pool: Pool, spec: TrainSpec) -> _Source:
    """The subset's windows, in the subset's own order, whatever the order of the pool's rows."""
    text = part.family == MASKED_LM  # nothing is judged by it, and nothing kept out of it
    chosen = pool.subset(
        part.examples, spec.subset_seed, part.subset, held_out=0 if text else spec.held_out
    )
    # A text's windows say nothing of each other, and a long one would be an update by itself.
    windows = pool.each_window(chosen) if text else pool.examples(chosen)
    if not windows:
        raise UserError(f"{part.task}: none of {part.examples} examples can be trained on")
    family = trainable_family(part.family)
    return _Source(part, family, windows, windows.shortest, pool.pad)
