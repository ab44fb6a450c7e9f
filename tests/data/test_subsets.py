"""Subsets: nested, exact in number, and blind to the order of rows."""

from __future__ import annotations

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.data.subsets import row_keys, subset

keys_of_pools = st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=40)
seeds = st.integers(0, 2**32)


@given(keys_of_pools, seeds, st.data())
def test_a_smaller_subset_is_the_beginning_of_a_larger_one(
    keys: list[str], seed: int, data: st.DataObject
) -> None:
    larger = data.draw(st.integers(0, len(keys)))
    smaller = data.draw(st.integers(0, larger))
    assert [*subset(keys, smaller, seed)] == [*subset(keys, larger, seed)[:smaller]]


@given(keys_of_pools, seeds, st.randoms(use_true_random=False))
def test_shuffled_rows_give_the_same_examples_in_the_same_order(
    keys: list[str], seed: int, random: object
) -> None:
    shuffled = [*keys]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    half = len(keys) // 2
    chosen = [keys[place] for place in subset(keys, half, seed)]
    assert chosen == [shuffled[place] for place in subset(shuffled, half, seed)]


@given(keys_of_pools, seeds)
def test_the_whole_pool_has_every_row_once(keys: list[str], seed: int) -> None:
    assert sorted(subset(keys, len(keys), seed)) == [*range(len(keys))]


def test_another_seed_takes_other_rows() -> None:
    keys = [str(number) for number in range(1000)]
    shared = {*subset(keys, 100, 1)} & {*subset(keys, 100, 2)}
    assert len(shared) < 30  # 10 are expected


def test_subsets_stay_what_they_were() -> None:
    assert subset(["a", "b", "c", "d", "e", "f"], 3, 7).tolist() == [0, 2, 3]


@pytest.mark.parametrize("examples", [-1, 4])
def test_more_examples_than_rows_are_refused(examples: int) -> None:
    with pytest.raises(ValueError, match=f"{examples} examples of a pool of 3 rows"):
        subset(["a", "b", "c"], examples, 1)


def test_rows_are_known_by_their_id_where_ids_are_unique() -> None:
    rows = datasets.Dataset.from_list([{"id": "x", "text": "same"}, {"id": "y", "text": "same"}])
    assert row_keys(rows) == ["x", "y"]


@pytest.mark.parametrize("extra", [{}, {"id": "always the same"}])
def test_rows_without_unique_ids_are_known_by_their_content(extra: dict[str, str]) -> None:
    rows = [{"text": text, **extra} for text in ("one", "two", "three")]
    forward = row_keys(datasets.Dataset.from_list(rows))
    backward = row_keys(datasets.Dataset.from_list(rows[::-1]))
    assert forward == backward[::-1]
    assert len(set(forward)) == 3
