"""The targets: what a model is trained on in English before it is evaluated.

XTREME's, with its settings, are evaluated in every language; its two retrieval sets train nothing,
and are no targets. Intermediate tasks are targets under their own names, with their own settings,
evaluated on their English development sets. Torch-free, plain data.
"""

from __future__ import annotations

from xtl.tasks.catalogue.recipes import LOOKUP_RECIPE, QA_LENGTH, recipe
from xtl.tasks.catalogue.tasks import TASKS
from xtl.tasks.entries import Target

_PAIRS = recipe(32)
_QA = recipe(16, QA_LENGTH)

_XTREME = (
    Target("xnli", "mnli", 2, _PAIRS, ("xnli",)),
    Target("paws-x", "paws-x", 5, _PAIRS, ("paws-x",)),
    Target("udpos", "udpos", 10, _PAIRS, ("udpos",)),
    Target("panx", "panx", 10, _PAIRS, ("panx",)),
    # Equal but for the set that they are evaluated on: one training serves both.
    Target("xquad", "squad-v1.1", 2, _QA, ("xquad",)),
    Target("mlqa", "squad-v1.1", 2, _QA, ("mlqa",)),
    Target("tydiqa", "tydiqa", 2, _QA, ("tydiqa",), secondary_sets=("tydiqa-unseen",)),
)


def _itself(name: str, *sets: str, secondary: tuple[str, ...] = ()) -> Target:
    """The task as a target, trained as it is as an intermediate task."""
    task = TASKS[name]
    return Target(name, name, task.epochs, task.recipe, sets or (f"{name}-dev",), secondary)


_INTERMEDIATE = (
    _itself("anli+", "anli-r1", "anli-r2", "anli-r3", secondary=("snli-dev", "mnli-dev")),
    _itself("mnli"),
    _itself("qqp"),
    _itself("squad-v2"),
    _itself("squad-v1.1"),
    _itself("hellaswag"),
    _itself("ccg"),
    _itself("cosmosqa"),
    _itself("commonsenseqa"),
)

_DEMO = (Target("lookup-qa", "lookup-qa", 2, LOOKUP_RECIPE, ("lookup-qa",)),)

TARGETS: dict[str, Target] = {target.name: target for target in (*_XTREME, *_INTERMEDIATE, *_DEMO)}
