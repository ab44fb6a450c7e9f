"""What is held out of a target's English training set, by which its recipe can be chosen.

Torch-free, plain data.
"""

from __future__ import annotations

from xtl.tasks.catalogue.evaluation_sets import EVALUATION_SETS
from xtl.tasks.catalogue.targets import TARGETS
from xtl.tasks.catalogue.tasks import TASKS
from xtl.tasks.entries import EvaluationSet, Target


def _held_out(target: Target) -> EvaluationSet:
    """Scored as the target's first set is; without a repo where the task has no table either."""
    task, asked = TASKS[target.task], EVALUATION_SETS[target.evaluation_sets[0]]
    return EvaluationSet(
        name=f"{task.name}-held-out",
        family=task.family,
        data=task.tables[0] if task.tables else asked.data,
        languages=("en",),
        headline=asked.headline,
        rows=task.rows,
        tokens=task.tokens,
        decoding=asked.decoding,
        labels=task.labels,
    )


def held_out() -> dict[str, EvaluationSet]:
    """One for each task that a target trains on: of several such targets the first is the one."""
    return {entry.name: entry for entry in map(_held_out, reversed(TARGETS.values()))}
