"""What an evaluation reads: the windows of all languages, each distinct sequence once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import overload

import numpy as np

from xtl.evaluate.batches import distinct
from xtl.tasks.pool_arrays import Features


class DistinctSequences(Sequence[tuple[int, ...]]):
    """Token ids of each distinct window of some sets; out of the mapped pools, when asked for.

    `which` has for every window, set after set, its sequence's place here; `tokens` is how many
    tokens the distinct ones have.
    """

    def __init__(self, sets: Sequence[Features]) -> None:
        self._sets = sets
        self._ends = np.cumsum([len(each) for each in sets])
        contents = (each.ids(k).tobytes() for each in sets for k in range(len(each)))
        self._first, self.which = distinct(contents)
        lengths = np.fromiter(chain.from_iterable(each.lengths for each in sets), dtype=np.int64)
        self.tokens = int(lengths[self._first].sum())

    def __len__(self) -> int:
        return len(self._first)

    @overload
    def __getitem__(self, place: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[int, ...]]: ...
    def __getitem__(self, place: int | slice) -> tuple[int, ...] | list[tuple[int, ...]]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        window = self._first[place]
        number = int(np.searchsorted(self._ends, window, side="right"))
        features = self._sets[number]
        return tuple(features.ids(window - int(self._ends[number]) + len(features)).tolist())
