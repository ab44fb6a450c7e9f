"""Extensions: what other distributions add to the catalogue, by an entry point. Torch-free.

An entry point of the group `xtl.extensions` names a module that offers any of what `OFFERS` lists
(docs/extending.md shows each). All is taken into the catalogue's own dicts when that is imported; a
name that is taken, a reference that leads nowhere, or a module that fails is one UserError that
names the distribution.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from xtl.errors import UserError
from xtl.tasks.offers import OFFERS, Catalogue, Extension

GROUP = "xtl.extensions"


def versions() -> dict[str, str]:
    """Distribution → version, of all that extend xtl. Loads none of them."""
    dists = (point.dist for point in entry_points(group=GROUP))
    return {dist.name: dist.version for dist in dists if dist is not None}


@lru_cache(maxsize=1)
def installed() -> tuple[Extension, ...]:
    """By name. UserError for one that cannot be loaded."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (_name(point), point.name))
    return tuple(map(_load, points))


def _name(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _load(point: EntryPoint) -> Extension:
    had_torch = "torch" in sys.modules
    try:
        found = Extension(_name(point), point.load())
    except Exception as error:
        words = " ".join(str(error).split()) or "no words"
        told = f"extension {_name(point)}: {point.value}: {type(error).__name__}: {words}"
        raise UserError(told) from error
    if "torch" in sys.modules and not had_torch:
        raise found.fault(point.value, "found that it imports torch, expected a module that does "
                          "not: a family's own module may")  # fmt: skip
    if not any(hasattr(found.offers, kind) for kind in OFFERS):
        raise found.fault(point.value, f"found none of {', '.join(OFFERS)}, expected one")
    return found


def take_in(extensions: Iterable[Extension], catalogue: Catalogue) -> None:
    """Add all that is offered, kind by kind, so that one extension may build on another."""
    known = list(extensions)
    for kind, take in OFFERS.items():
        for extension in known:
            try:
                take(extension, catalogue)
            except (TypeError, ValueError, AttributeError, LookupError) as error:
                words = " ".join(str(error).split())
                raise extension.fault(kind, f"found what cannot be read: {words}") from error
