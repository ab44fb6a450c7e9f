"""The sampler: which examples form an update, and how its features are dealt to the ranks.

Both are pure functions. The examples of an update depend on sampler settings and seed alone;
ranks and micro-batches only decide who computes what, so they change results by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

IGNORED_LABEL = -100
"""What pads labels: torch's cross-entropy passes over it."""


class Labelled(Protocol):
    """A tokenised window, as far as collation is concerned."""

    @property
    def input_ids(self) -> Sequence[int]: ...
    @property
    def labels(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class PaddedBatch:
    """Arrays of one micro-batch, right-padded to its longest feature.

    Shapes: input_ids and mask (batch, length), labels (batch, k); all int64.
    """

    input_ids: Indices
    mask: Indices
    labels: Indices


def updates_per_epoch(examples: int, batch_size: int) -> int:
    """The last update of an epoch may be smaller: nothing is dropped, or seen twice."""
    return -(-examples // batch_size)


def update_examples(examples: int, batch_size: int, update: int, seed: int) -> Indices:
    """Positions (in a subset of `examples`) of the examples that form update `update`, from 0."""
    epoch, place = divmod(update, updates_per_epoch(examples, batch_size))
    order = _epoch_order(examples, epoch, seed)
    return order[place * batch_size : (place + 1) * batch_size]


@lru_cache(maxsize=16)  # a training has so many tasks at most, or nearly
def _epoch_order(examples: int, epoch: int, seed: int) -> Indices:
    # Ranked raw bits: numpy promises the stream of PCG64, not that of Generator.permutation.
    bits = np.random.PCG64(np.random.SeedSequence((seed, epoch))).random_raw(examples)
    order = np.argsort(bits, kind="stable").astype(np.int64)
    order.setflags(write=False)
    return order


def deal(lengths: Sequence[int], ranks: int, micro_batch: int) -> list[list[list[int]]]:
    """Features for each rank and each of its micro-batches, as positions in `lengths`.

    Features of about the same length meet in a micro-batch (of at most `micro_batch`), and the
    ranks' tokens differ by no more than the longest feature. Every rank has the same number of
    micro-batches, as ZeRO's collectives demand, even if some of them are empty.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    rounds = max(1, -(-len(order) // (ranks * micro_batch)))
    hands: list[list[list[int]]] = [[[] for _ in range(rounds)] for _ in range(ranks)]
    loads = [0] * ranks
    for number, cards in enumerate(_cut(order, rounds)):
        for start in range(0, len(cards), ranks):
            takers = sorted(range(ranks), key=loads.__getitem__)
            for card, rank in zip(cards[start : start + ranks], takers, strict=False):
                hands[rank][number].append(card)
                loads[rank] += lengths[card]
    return hands


def _cut(order: Sequence[int], pieces: int) -> list[Sequence[int]]:
    """Consecutive pieces whose sizes differ by one at most."""
    ends = [len(order) * piece // pieces for piece in range(pieces + 1)]
    return [order[start:end] for start, end in pairwise(ends)]


def slots(lengths: Sequence[int], hands: Sequence[Sequence[Sequence[int]]]) -> int:
    """Tokens that the model sees in an update over all ranks, padding included."""
    batches = [batch for hand in hands for batch in hand if batch]
    return sum(len(batch) * max(lengths[place] for place in batch) for batch in batches)


def collate(features: Sequence[Labelled], pad: int) -> PaddedBatch:
    """Dynamic padding: as long as the longest feature of this batch, no longer."""
    ids = _padded([feature.input_ids for feature in features], pad)
    mask = _padded([[1] * len(feature.input_ids) for feature in features], 0)
    return PaddedBatch(ids, mask, _padded([feature.labels for feature in features], IGNORED_LABEL))


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Indices:
    array = np.full((len(rows), max(map(len, rows))), filler, dtype=np.int64)
    for row, values in zip(array, rows, strict=True):
        row[: len(values)] = values
    return array
