"""Families by the name that the catalogue uses, imported when first asked for (they need torch)."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from xtl.errors import UserError
from xtl.tasks.family import EvaluableFamily, TrainableFamily

MODULES = {
    "span-qa": "xtl.tasks.span_qa",
    "retrieval": "xtl.tasks.retrieval",
}
"""Each module offers its family, an object as xtl.tasks.family describes, under `FAMILY`."""


def family(name: str) -> object:
    """The family of that name. Raises UserError for a name that no module answers to."""
    if name not in MODULES:
        raise UserError(f"family {name!r} is unknown; expected one of {', '.join(MODULES)}")
    found: object = import_module(MODULES[name]).FAMILY
    return found


def trainable_family(name: str) -> TrainableFamily:
    """The family of that name, to train on. Raises UserError if it can only be evaluated on."""
    found = family(name)
    if not hasattr(found, "train_features"):
        raise UserError(f"family {name!r} cannot be trained on, only evaluated on")
    return cast(TrainableFamily, found)


def evaluable_family(name: str) -> EvaluableFamily:
    """The family of that name, to evaluate on. Raises UserError if it can only be trained on."""
    found = family(name)
    if not hasattr(found, "evaluate_features"):
        raise UserError(f"family {name!r} cannot be evaluated on, only trained on")
    return cast(EvaluableFamily, found)
