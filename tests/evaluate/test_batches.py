from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xtl.evaluate.batches import batches, distinct, pieces, shares

lengths = st.lists(st.integers(1, 200), max_size=60)
budgets = st.integers(1, 600)


@given(lengths, budgets)
def test_each_sequence_is_in_one_batch_and_no_batch_exceeds_the_budget(
    given_lengths: list[int], budget: int
) -> None:
    made = batches(given_lengths, budget)
    assert sorted(place for batch in made for place in batch.places) == list(
        range(len(given_lengths))
    )
    for batch in made:
        assert batch.length == max(given_lengths[place] for place in batch.places)
        assert batch.slots <= budget or len(batch.places) == 1


@given(lengths, budgets)
def test_sequences_of_like_length_go_together(given_lengths: list[int], budget: int) -> None:
    order = [
        given_lengths[place] for batch in batches(given_lengths, budget) for place in batch.places
    ]
    assert order == sorted(given_lengths, reverse=True)


@given(lengths, budgets, st.integers(1, 5))
def test_ranks_share_all_batches_evenly(given_lengths: list[int], budget: int, ranks: int) -> None:
    made = batches(given_lengths, budget)
    given_out = shares(made, ranks)
    assert sorted(batch.places for share in given_out for batch in share) == sorted(
        batch.places for batch in made
    )
    loads = [sum(batch.slots for batch in share) for share in given_out]
    assert max(loads) - min(loads) <= max((batch.slots for batch in made), default=0)


@given(lengths, st.integers(1, 5))
def test_pieces_are_the_share_in_its_order_and_as_many_as_asked(
    given_lengths: list[int], count: int
) -> None:
    share = batches(given_lengths, 200)
    cut = pieces(share, count)
    assert [batch for piece in cut for batch in piece] == share
    assert len(cut) == count
    assert max(map(len, cut)) - min(map(len, cut)) <= 1


def test_equal_sequences_are_read_once() -> None:
    first, which = distinct([(1, 2), (3,), (1, 2), (1,)])
    assert first == [0, 1, 3]
    assert which == [0, 1, 0, 2]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2))))
def test_every_sequence_can_be_found_among_the_distinct_ones(
    sequences: list[tuple[int, ...]],
) -> None:
    first, which = distinct(sequences)
    assert [sequences[first[place]] for place in which] == sequences
    assert len({sequences[place] for place in first}) == len(first)
