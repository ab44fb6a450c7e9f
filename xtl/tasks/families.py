"""Families by the name that the catalogue uses, imported when first asked for.

What works on tensors needs torch; what makes features does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from xtl.errors import UserError
from xtl.tasks.family import EvaluableFamily, FeatureMaker, TrainableFamily

MODULES = {
    "span-qa": "xtl.tasks.span_qa",
    "sentence-pair": "xtl.tasks.sentence_pair",
    "multiple-choice": "xtl.tasks.multiple_choice",
    "tagging": "xtl.tasks.tagging",
    "masked-lm": "xtl.tasks.masked_lm",
    "retrieval": "xtl.tasks.retrieval",
    "mining": "xtl.tasks.mining",
}
"""Each module offers its family, an object as xtl.tasks.family describes, under `FAMILY`."""

MAKERS = {
    "span-qa": "xtl.tasks.span_maker",
    "sentence-pair": "xtl.tasks.pair_maker",
    "multiple-choice": "xtl.tasks.choice_maker",
    "tagging": "xtl.tasks.tag_maker",
    "masked-lm": "xtl.tasks.text_maker",
    "retrieval": "xtl.tasks.retrieval_features",
    "mining": "xtl.tasks.mining_maker",
}
"""Each module offers the family's feature maker under `MAKER`, and imports no torch."""


def family(name: str) -> object:
    """The family of that name. Raises UserError for a name that no module answers to."""
    found: object = import_module(_module(MODULES, name)).FAMILY
    return found


def feature_maker(name: str) -> FeatureMaker:
    """What makes the features of the family of that name; UserError as `family` raises it."""
    return cast(FeatureMaker, import_module(_module(MAKERS, name)).MAKER)


def trainable_family(name: str) -> TrainableFamily:
    """The family of that name, to train on. Raises UserError if it can only be evaluated on."""
    found = family(name)
    if not hasattr(found, "loss"):
        raise UserError(f"family {name!r} cannot be trained on, only evaluated on")
    return cast(TrainableFamily, found)


def evaluable_family(name: str) -> EvaluableFamily:
    """The family of that name, to evaluate on. Raises UserError if it can only be trained on."""
    found = family(name)
    if not hasattr(found, "predict"):
        raise UserError(f"family {name!r} cannot be evaluated on, only trained on")
    return cast(EvaluableFamily, found)


def _module(modules: Mapping[str, str], name: str) -> str:
    if name not in modules:
        import_module("xtl.tasks.catalogue")  # which takes in what extensions bring
    if name not in modules:
        raise UserError(f"family {name!r} is unknown; expected one of {', '.join(modules)}")
    return modules[name]
