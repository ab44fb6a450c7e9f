"""A training that learnt nothing is told from one whose batches are noisy."""

from __future__ import annotations

import numpy as np

from tests.train.trainings import make_part, make_spec
from xtl.sweep.shard import TrainSpec
from xtl.train.history import LEAST_UPDATES, is_degenerate

ONE = np.zeros(100, dtype=np.int64)
TWO = np.tile([0, 1], 50)
FLAT = [1.1, 1.0] * 20
FALLING = [3.0 - number / 20 for number in range(40)]


def both(first: list[float], second: list[float]) -> list[float]:
    """Losses of two tasks that take turns."""
    return [loss for pair in zip(first, second, strict=True) for loss in pair]


def spec(**changes: object) -> TrainSpec:
    return make_spec().model_copy(update=changes)


def test_a_loss_that_never_fell_is_degenerate() -> None:
    assert is_degenerate(spec(), ONE, FLAT)
    assert not is_degenerate(spec(), ONE, FALLING)


def test_a_training_of_few_updates_is_not_judged_by_the_noise_of_its_batches() -> None:
    assert not is_degenerate(spec(), ONE, FLAT[: LEAST_UPDATES - 1])


def test_of_several_tasks_one_that_was_learnt_is_enough() -> None:
    two = spec(parts=(make_part("squad"), make_part("tydiqa")))
    assert not is_degenerate(two, TWO, both(FLAT, FALLING))
    assert is_degenerate(two, TWO, both(FLAT, FLAT))


def test_heads_that_were_trained_before_are_not_judged() -> None:
    assert not is_degenerate(spec(head_of="squad"), ONE, FLAT)
    text = make_part("text", family="masked-lm")
    assert not is_degenerate(spec(parts=(text,)), ONE, FLAT)
