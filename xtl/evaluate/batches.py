"""Which sequences go through the model together, and on which rank. Pure.

Batches are the same whatever the number of ranks, so that a result does not depend on it.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Sequences = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Batch:
    """Places of its sequences in the list of distinct ones, and the length they are padded to."""

    places: tuple[int, ...]
    length: int

    @property
    def slots(self) -> int:
        """Tokens that the model sees, padding included."""
        return len(self.places) * self.length


def distinct(sequences: Iterable[Hashable]) -> tuple[list[int], list[int]]:
    """Where each sequence first appears, in order, and for every given one its place among them.

    The English side of sentence pairs recurs in every language: it is encoded once.
    """
    places: dict[Hashable, int] = {}
    which = [places.setdefault(sequence, len(places)) for sequence in sequences]
    first = dict(zip(reversed(which), range(len(which) - 1, -1, -1), strict=True))
    return [first[place] for place in range(len(places))], which


def batches(lengths: Sequence[int], batch_tokens: int) -> list[Batch]:
    """Sorted by length, longest first, as many together as fit into `batch_tokens` slots.

    A sequence longer than `batch_tokens` goes alone.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    made: list[Batch] = []
    start = 0
    while start < len(order):
        length = lengths[order[start]]
        count = max(1, batch_tokens // max(1, length))
        made.append(Batch(tuple(order[start : start + count]), length))
        start += count
    return made


def pieces(share: Sequence[Batch], count: int) -> list[Sequence[Batch]]:
    """A share cut into `count` consecutive pieces, whose batches differ by one at most."""
    ends = [len(share) * piece // count for piece in range(count + 1)]
    return [share[start:end] for start, end in pairwise(ends)]


def shares(made: Sequence[Batch], ranks: int) -> list[list[Batch]]:
    """A list of batches for each rank: the largest first, each to the rank with the least work."""
    loads = [(0, rank) for rank in range(ranks)]
    given: list[list[Batch]] = [[] for _ in range(ranks)]
    for batch in sorted(made, key=lambda batch: -batch.slots):
        load, rank = loads[0]
        given[rank].append(batch)
        heapq.heapreplace(loads, (load + batch.slots, rank))
    return given
