"""The sampler: nothing dropped, nothing seen twice, the same for any number of ranks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xtl.data.batches import (
    IGNORED_LABEL,
    collate,
    deal,
    slots,
    update_examples,
    updates_per_epoch,
)

counts = st.integers(1, 60)
seeds = st.integers(0, 2**32)
feature_lengths = st.lists(st.integers(1, 512), max_size=70)
ranks_of_jobs = st.integers(1, 9)
micro_batches = st.integers(1, 20)


@given(counts, st.integers(1, 20), st.integers(0, 3), seeds)
def test_an_epoch_sees_every_example_once(
    examples: int, batch_size: int, epoch: int, seed: int
) -> None:
    updates = updates_per_epoch(examples, batch_size)
    first = epoch * updates
    drawn = [update_examples(examples, batch_size, first + place, seed) for place in range(updates)]
    assert sorted(np.concatenate(drawn)) == [*range(examples)]
    assert all(len(batch) == batch_size for batch in drawn[:-1])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = (update_examples(100, 100, epoch, seed=1).tolist() for epoch in (0, 1))
    assert first != second
    assert first != update_examples(100, 100, 0, seed=2).tolist()


def test_the_order_stays_what_it_was() -> None:
    assert update_examples(10, 4, 0, seed=1).tolist() == [9, 2, 4, 7]
    assert update_examples(10, 4, 5, seed=1).tolist() == [9, 8]


@given(feature_lengths, ranks_of_jobs, micro_batches)
def test_every_feature_is_dealt_once(lengths: list[int], ranks: int, micro_batch: int) -> None:
    hands = deal(lengths, ranks, micro_batch)
    dealt = [place for hand in hands for batch in hand for place in batch]
    assert sorted(dealt) == [*range(len(lengths))]


@given(feature_lengths, ranks_of_jobs, micro_batches)
def test_all_ranks_have_as_many_micro_batches_and_no_more_than_are_needed(
    lengths: list[int], ranks: int, micro_batch: int
) -> None:
    hands = deal(lengths, ranks, micro_batch)
    needed = max(1, -(-len(lengths) // (ranks * micro_batch)))
    assert [len(hand) for hand in hands] == [needed] * ranks
    assert all(len(batch) <= micro_batch for hand in hands for batch in hand)


@given(feature_lengths, ranks_of_jobs, micro_batches)
def test_ranks_are_even_in_tokens(lengths: list[int], ranks: int, micro_batch: int) -> None:
    hands = deal(lengths, ranks, micro_batch)
    loads = [sum(lengths[place] for batch in hand for place in batch) for hand in hands]
    assert max(loads) - min(loads) <= max(lengths, default=0)


@given(feature_lengths, ranks_of_jobs, micro_batches)
def test_micro_batches_hold_neighbours_in_length(
    lengths: list[int], ranks: int, micro_batch: int
) -> None:
    for hand in deal(lengths, ranks, micro_batch):
        spans = [[lengths[place] for place in batch] for batch in hand if batch]
        for longer, shorter in pairwise(spans):
            assert min(longer) >= max(shorter)


def test_sorting_inside_an_update_spares_padding() -> None:
    lengths = [10, 100, 10, 100, 10, 100, 10, 100]
    assert slots(lengths, deal(lengths, ranks=2, micro_batch=2)) == sum(lengths)
    assert slots(lengths, [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]) == 800


def test_ranks_without_work_cost_no_slots() -> None:
    assert deal([7], ranks=3, micro_batch=4) == [[[0]], [[]], [[]]]
    assert slots([7], deal([7], ranks=3, micro_batch=4)) == 7


@dataclass(frozen=True)
class Window:
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]


def test_a_batch_is_padded_to_its_longest_window() -> None:
    batch = collate([Window((5, 6), (1,)), Window((7, 8, 9), (2, 3))], pad=1)
    assert batch.input_ids.tolist() == [[5, 6, 1], [7, 8, 9]]
    assert batch.mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.labels.tolist() == [[1, IGNORED_LABEL], [2, 3]]
