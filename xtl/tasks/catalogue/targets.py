"""The targets: what a model is trained on in English before it is evaluated in every language.

All settings are XTREME's. Its two retrieval sets train nothing, and are no targets. Torch-free,
plain data.
"""

from __future__ import annotations

from xtl.tasks.catalogue.recipes import LOOKUP_RECIPE, QA_LENGTH, recipe
from xtl.tasks.entries import Target

_PAIRS = recipe(32)
_QA = recipe(16, QA_LENGTH)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("xnli", "mnli", 2, _PAIRS, ("xnli",)),
        Target("paws-x", "paws-x", 5, _PAIRS, ("paws-x",)),
        Target("udpos", "udpos", 10, _PAIRS, ("udpos",)),
        Target("panx", "panx", 10, _PAIRS, ("panx",)),
        # Equal but for the set that they are evaluated on: one training serves both.
        Target("xquad", "squad-v1.1", 2, _QA, ("xquad",)),
        Target("mlqa", "squad-v1.1", 2, _QA, ("mlqa",)),
        Target("tydiqa", "tydiqa", 2, _QA, ("tydiqa",), secondary_sets=("tydiqa-unseen",)),
        Target("lookup-qa", "lookup-qa", 2, LOOKUP_RECIPE, ("lookup-qa",)),
    )
}
