"""What the catalogue asks of an entry by itself, field by field. Torch-free.

What an entry refers to (its family, forms, sets, languages) is checked where all of it is known,
in xtl.tasks.extensions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any

from xtl.tasks.entries import DatasetRef, EvaluationSet, Target, Task
from xtl.tasks.languages import Language
from xtl.tasks.settings import DecodingSettings, Recipe

_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,63}")  # a manifest's, as xtl.sweep.places has it
_CODE = re.compile(r"[a-z]{2,3}")  # likewise, as xtl.sweep.fields has it
_HELD_OUT = "-held-out"  # what xtl.tasks.catalogue.held_out names its own sets by
_SHOWN = 60  # characters of a value that an error shows


def faults(entry: Task | Target | EvaluationSet) -> Iterator[tuple[str, str]]:
    """(field, `found …, expected …`) of each field that cannot be used."""
    for field, (fits, expected) in _RULES.items():
        value = getattr(entry, field, None)
        if hasattr(entry, field) and not fits(value):
            yield field, f"found {_short(value)}, expected {expected}"


def language_fault(code: object, entry: object) -> str:
    """What is wrong with an entry of LANGUAGES; empty where nothing is."""
    if not isinstance(entry, Language):
        return f"found {_short(entry)}, expected a Language"
    if entry.code != code or not _CODE.fullmatch(entry.code):
        return f"found the code {entry.code!r}, expected its key, two or three lower-case letters"
    if not all(isinstance(text, str) and text for text in (entry.name, entry.script)):
        return f"found {_short(entry)}, expected a name and a script"
    if entry.cc100_gib is not None and not _is_positive(entry.cc100_gib):
        return f"found cc100_gib={entry.cc100_gib!r}, expected GiB above 0, or None"
    return ""


def are_names(value: object) -> bool:
    """Texts in a tuple, each once; perhaps none."""
    return _are(str)(value) and all(value) and len(set(value)) == len(value)  # type: ignore[arg-type, call-overload]


def _is_name(value: object) -> bool:
    whole = isinstance(value, str) and _NAME.fullmatch(value) is not None
    return whole and not str(value).endswith(_HELD_OUT)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_positive(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and isfinite(value) and value > 0  # type: ignore[arg-type, operator]


def _are_codes(value: object) -> bool:
    return are_names(value) and bool(value)


def _are_texts_by_text(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for pair in value.items() for text in pair
    )


def _is(of: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, of)


def _are(of: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(isinstance(each, of) for each in value)


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


_COUNT = (_is_count, "a whole number above 0")
_NAMES = (are_names, "a tuple of names, each once")

_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (
        _is_name,
        "1 to 64 of a-z, 0-9, '.', '+', '_' and '-', the first a letter or digit, and not "
        f"{_HELD_OUT} at the end, which xtl's own have",
    ),
    "tables": (_are(DatasetRef), "a tuple of DatasetRef"),
    "data": (_is(DatasetRef), "a DatasetRef"),
    "rows": _COUNT,
    "tokens": (_is_positive, "a number above 0"),
    "epochs": _COUNT,
    "choices": _COUNT,
    "recipe": (_is(Recipe), "a Recipe"),
    "decoding": (_is(DecodingSettings), "DecodingSettings"),
    "languages": (_are_codes, "a tuple of languages' codes, each once"),
    "codes": (_are_texts_by_text, "what the data set calls each language, by its code"),
    "labels": _NAMES,
    "evaluation_sets": _NAMES,
    "secondary_sets": _NAMES,
}
