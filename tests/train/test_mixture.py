"""The mixture: exact shares, one reproducible order, every update at its own task's place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xtl.train.mixture import examples_seed, own_places, shares, task_order

WEIGHTS = st.lists(st.integers(1, 2**17), min_size=1, max_size=9)
UPDATES = st.integers(0, 500)


@given(WEIGHTS, UPDATES)
def test_every_task_gets_its_share_to_within_one_update(weights: list[int], updates: int) -> None:
    counts = shares(weights, updates)
    assert sum(counts) == updates
    wanted = [updates * weight / sum(weights) for weight in weights]
    given = sum(share < 1 for share in wanted)  # for one update each, which others lack
    for count, share in zip(counts, wanted, strict=True):
        assert -1 - given < count - share < 1 or count == 1


@given(WEIGHTS)
def test_no_task_goes_without_an_update(weights: list[int]) -> None:
    assert min(shares(weights, len(weights))) == 1
    assert min(shares(weights, 500)) >= 1


@given(WEIGHTS, UPDATES, st.integers(0, 2**31))
def test_the_order_has_these_shares_and_follows_from_the_seed(
    weights: list[int], updates: int, seed: int
) -> None:
    order = task_order(weights, updates, seed)
    assert np.bincount(order, minlength=len(weights)).tolist() == shares(weights, updates)
    assert np.array_equal(order, task_order(weights, updates, seed))


def test_another_seed_gives_another_order() -> None:
    one, other = (task_order([1, 1], 100, seed) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_tasks_are_spread_over_the_whole_training() -> None:
    """No task waits until the others are done: each tenth has some of both."""
    tenths = task_order([1, 3], 1000, seed=7).reshape(10, 100).mean(axis=1)
    assert tenths.min() > 0.6
    assert tenths.max() < 0.9


def test_a_tasks_updates_are_counted_by_themselves() -> None:
    assert own_places(np.array([0, 1, 0, 0, 1]), 2).tolist() == [0, 0, 1, 2, 1]


def test_a_training_of_one_task_is_in_the_order_of_its_own_seed() -> None:
    assert examples_seed(5, 0) == 5
    assert len({examples_seed(5, task) for task in range(9)}) == 9
