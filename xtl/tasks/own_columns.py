"""A column map: which of a file's columns gives which of a family's. Pure, torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xtl.data.own.records import DELIMITED, Column, Format, Record
from xtl.data.own.text import fault
from xtl.tasks.schema import COLUMNS

Columns = Mapping[str, Column | Sequence[Column]]
"""The family's column → the file's; for `choices` also several, one a choice."""

UNMAPPED: Columns = MappingProxyType({})

ANSWER_COLUMNS = ("answer_text", "answer_start")
"""What may stand for span QA's `answers`: one answer a row, its start found again if absent."""

_OPTIONAL = ("id", "answer_start", "match")  # read where the file has them


def checked(path: Path, columns: Columns, family: str, format: Format) -> dict[str, Any]:
    """The map as it is used; UserError where it names what the family has not, or contradicts."""
    known = (*COLUMNS[family], *(ANSWER_COLUMNS if family == "span-qa" else ("id",)))
    for name, column in columns.items():
        if name not in known:
            raise fault(path, "columns", f"found {name}, expected {', '.join(known)}")
        if not isinstance(column, (str, int)) and name != "choices":
            raise fault(path, f"columns.{name}", "found several columns, expected one")
    if "answer_start" in columns and "answer_text" not in columns:
        raise fault(path, "columns", "found answer_start alone, expected answer_text with it")
    if "answers" in columns and any(name in columns for name in ANSWER_COLUMNS):
        raise fault(path, "columns", "found answers and answer_text, expected one of them")
    by_name = {name: _numbered(column, format) for name, column in columns.items()}
    _require_names_or_numbers(path, by_name, format)
    return by_name


def has_header(columns: Mapping[str, Any], format: Format) -> bool:
    """Whether the first row names the columns: not where CSV or TSV is mapped by numbers."""
    numbers = any(isinstance(column, int) for column in _flat(columns))
    return not (format in DELIMITED and numbers)


def resolved(
    path: Path, place: str, columns: Mapping[str, Any], family: str, first: Record
) -> dict[str, Any]:
    """The map of every column that is read, by the file's first record.

    A column that is not in the map has its own name in the file. An `id` that neither the map nor
    the first record has is left out (CoNLL-U's, a list, is none); an `answer_start` is looked for
    in each record, as a question without an answer has none.
    """
    whole = {
        name: columns.get(name, name)
        for name in _wanted(columns, family, first)
        if name != "id" or name in columns or is_id(first.get(name))
    }
    _require_once(path, whole)
    optional = {name for name in _OPTIONAL if name not in columns}
    for column in _flat({name: column for name, column in whole.items() if name not in optional}):
        if column not in first:
            has = ", ".join(str(known) for known in first) or "none"
            found = f"found no such column, expected one of {has}"
            raise fault(path, place, f"column {column}: {found}")
    return whole


def _wanted(columns: Mapping[str, Any], family: str, first: Record) -> list[str]:
    """Every column that may be read, of the two ways to give answers the one that is there."""
    names = [name for name in COLUMNS[family] if name != "answers"]
    if family == "span-qa":
        single = "answer_text" in columns or ("answers" not in columns and _has_single(first))
        names += ANSWER_COLUMNS if single else ("answers",)
    return names if "id" in names else [*names, "id"]


def _has_single(first: Record) -> bool:
    return "answer_text" in first and "answers" not in first


def is_id(value: object) -> bool:
    """Whether it can be a record's id: CoNLL-U's word numbers, a list, are none."""
    return isinstance(value, (str, int))


def shown(column: Any) -> str:
    """A column as messages call it."""
    if isinstance(column, (str, int)):
        return f"column {column}"
    return f"columns {', '.join(map(str, column))}"


def _flat(columns: Mapping[str, Any]) -> list[Column]:
    several = ([one] if isinstance(one, (str, int)) else list(one) for one in columns.values())
    return [column for each in several for column in each]


def _numbered(column: Any, format: Format) -> Any:
    """CoNLL has numbers only, so there `"1"` is one."""
    is_number = isinstance(column, str) and column.isascii() and column.isdigit()
    return int(column) if format == "conll" and is_number else column


def _require_names_or_numbers(path: Path, columns: Mapping[str, Any], format: Format) -> None:
    kinds = {type(column) for column in _flat(columns)}
    if format in DELIMITED and len(kinds) > 1:
        raise fault(path, "columns", "found names and numbers, expected the one or the other")


def _require_once(path: Path, columns: Mapping[str, Any]) -> None:
    owner: dict[Column, str] = {}
    for name, column in columns.items():
        for one in _flat({name: column}):
            if one in owner:
                who = f"{owner[one]} and {name}" if owner[one] != name else f"{name}, twice"
                raise fault(path, "columns", f"found {one} for {who}, expected it for one")
            owner[one] = name
