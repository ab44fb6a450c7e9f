"""The mixture: which task each update is of, where a training has several. Pure.

An update's examples are all of one task, as in the authors' code (jiant's proportional sampling).
Their number over the whole training is in proportion to the weights, to within one, and every task
has one at least; their order is random and follows from the seed alone, so that nothing of it has
to be saved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xtl.data.batches import Indices

_ORDER = 1  # tells the order of tasks from the order of a task's examples
_EXAMPLES = 2


def task_order(weights: Sequence[int], updates: int, seed: int) -> Indices:
    """For each update, the number of its task in `weights`."""
    tasks = np.repeat(np.arange(len(weights)), shares(weights, updates))
    bits = np.random.PCG64(np.random.SeedSequence((seed, _ORDER))).random_raw(updates)
    order: Indices = tasks[np.argsort(bits, kind="stable")]
    return order


def shares(weights: Sequence[int], updates: int) -> list[int]:
    """How many updates each weight gets: largest remainders, ties to the earlier; one at least,
    so that no head is handed over untrained, unless there are more weights than updates."""
    total = sum(weights)
    counts = [updates * weight // total for weight in weights]
    rest = [updates * weight % total for weight in weights]
    first = sorted(range(len(weights)), key=lambda number: -rest[number])
    for number in first[: updates - sum(counts)]:
        counts[number] += 1
    for number in [number for number, count in enumerate(counts) if not count]:
        if max(counts, default=0) > 1:
            counts[counts.index(max(counts))] -= 1
            counts[number] = 1
    return counts


def own_places(order: Indices, tasks: int) -> Indices:
    """For each update, how many of its task's came before it."""
    places = np.zeros_like(order)
    for task in range(tasks):
        mine = order == task
        places[mine] = np.arange(int(mine.sum()))
    return places


def examples_seed(seed: int, task: int) -> int:
    """The seed of the order of a task's examples: the training's own for the first."""
    if task == 0:
        return seed
    state = np.random.SeedSequence((seed, _EXAMPLES, task)).generate_state(1, np.uint64)
    return int(state[0])
