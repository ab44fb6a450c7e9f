"""Rows of a family from a user's own file, by its column map. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from xtl.data.own.records import Format, Record, format_of, read_records
from xtl.data.own.squad import as_struct
from xtl.data.own.text import fault
from xtl.tasks.family import Row
from xtl.tasks.own_columns import UNMAPPED, Columns, checked, has_header, is_id, resolved, shown
from xtl.tasks.schema import COLUMNS, problem
from xtl.tasks.span_features import locate

_LARGEST_CLASS = 2**31
_AS_FIRST = "as in the first record"
_NO_ID = f"id: found nothing, expected text, {_AS_FIRST}"


def own_rows(
    path: Path,
    family: str,
    *,
    format: Format = "auto",
    columns: Columns = UNMAPPED,
    labels: Sequence[str] = (),
) -> Iterator[Row]:
    """The rows of a file in the family's columns (`xtl.tasks.schema`), one at a time.

    UserError, with file, place and column, where the file or a record is not what it should be.
    """
    yield from OwnRows(path, family, format, columns, labels)


class OwnRows:
    """The rows of one file; `moved` counts the answers that were not where `answer_start` said.

    Those stand at their nearest occurrence in the context now.
    """

    def __init__(
        self, path: Path, family: str, format: Format, columns: Columns, labels: Sequence[str]
    ) -> None:
        self.path, self.family, self.labels = path, family, tuple(labels)
        self.format = format_of(path, format)
        self.named = checked(path, columns, family, self.format)
        self.columns: dict[str, Any] = {}
        self.moved = 0

    def __iter__(self) -> Iterator[Row]:
        header = has_header(self.named, self.format)
        records = read_records(self.path, self.format, header=header)
        for place, record in records:
            if not self.columns:
                self.columns = resolved(self.path, place, self.named, self.family, record)
            yield self.row(place, record)

    def row(self, place: str, record: Record) -> Row:
        """The row of a record; of a question, with an id even where the file has none."""
        row = {name: self.value(place, name, record) for name in self.columns}
        if self.family == "span-qa":
            row["answers"] = self.answers(place, row)
            row.setdefault("id", _made_id(row))
        if self.family == "mining":
            row["match"] = "" if row["match"] is None else row["match"]
        row = {
            name: row[name] for name in (*COLUMNS[self.family], "id") if row.get(name) is not None
        }
        wrong = (
            problem(row, self.family, self.labels)
            or _wrong_id(row, self.columns, record)
            or _empty(row)
        )
        if wrong:
            name, _, found = wrong.partition(": ")
            raise self.fault(place, name, found)
        return row

    def value(self, place: str, name: str, record: Record) -> Any:
        column = self.columns[name]
        if not isinstance(column, (str, int)):
            return self.several(place, column, record)
        if name == "answer_text" and column not in record:
            raise self.fault(place, name, "found nothing, expected text (empty: no answer)")
        value = record.get(column)
        if name == "id" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and COLUMNS[self.family].get(name) == "number":
            return _real(value)
        return self.number(place, value) if name == "label" else value

    def several(self, place: str, columns: Sequence[Any], record: Record) -> list[str]:
        """The choices, one a column."""
        for column in columns:
            if not isinstance(record.get(column), str):
                found = "nothing" if record.get(column) is None else repr(record[column])
                raise fault(self.path, place, f"column {column}: found {found}, expected text")
        return [record[column] for column in columns]

    def number(self, place: str, value: Any) -> Any:
        """A label as the number of its class: from its name, or from a number as text."""
        if isinstance(value, str):
            names = [label.casefold() for label in self.labels]
            said = value.strip().casefold()
            number = names.index(said) if said in names else _whole(said)
            if number is None:
                raise self.fault(place, "label", f"found {value!r}, expected {self.classes}")
            return number
        if isinstance(value, int) and value >= _LARGEST_CLASS:
            raise self.fault(place, "label", f"found {value}, expected {self.classes}")
        return value

    @property
    def classes(self) -> str:
        """What a label may be."""
        if self.family == "multiple-choice":
            return "the number of a choice, from 0"
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(self.labels))
        return f"one of {known}" if known else "a number (the names of the classes are not known)"

    def answers(self, place: str, row: dict[str, Any]) -> Any:
        """`answers` with a start for each text; anything that is not answers, as it is."""
        stated = self.single(place, row) if "answer_text" in row else as_struct(row["answers"])
        if not isinstance(stated, Mapping) or not isinstance(row.get("context"), str):
            return stated
        texts, starts = stated.get("text"), stated.get("answer_start")
        starts = [None] * len(texts) if starts is None and isinstance(texts, list) else starts
        if not _are(texts, str) or not _are(starts, int, type(None)) or len(texts) != len(starts):
            return stated
        found = [
            self.located(place, row["context"], text, start)
            for text, start in zip(texts, starts, strict=True)
        ]
        return {"text": [text for text, _ in found], "answer_start": [at for _, at in found]}

    def single(self, place: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of the columns `answer_text` and `answer_start`; none where it is empty."""
        text, start = row["answer_text"], row.get("answer_start")
        if text is None or text == "":
            return {"text": [], "answer_start": []}
        if not isinstance(text, str):
            raise self.fault(place, "answer_text", f"found {text!r}, expected text")
        if start is None:
            return {"text": [text]}
        number = _whole(start) if isinstance(start, str) else start
        if not isinstance(number, int) or isinstance(number, bool):
            raise self.fault(place, "answer_start", f"found {start!r}, expected a whole number")
        return {"text": [text], "answer_start": [number]}

    def located(self, place: str, context: str, text: str, start: int | None) -> tuple[str, int]:
        """(text, start) as they are where they agree, else the nearest occurrence, trimmed."""
        if start is not None and text.strip() and start >= 0 and context.startswith(text, start):
            return text, start
        answer = locate(context, text, start or 0)
        if answer is None:
            name = "answer_text" if "answer_text" in self.columns else "answers"
            raise self.fault(place, name, f"found {text!r}, expected words of the context")
        self.moved += start is not None
        return context[answer.start : answer.end], answer.start

    def fault(self, place: str, name: str, found: str) -> Exception:
        """About a column, by the file's name for it."""
        return fault(self.path, place, f"{shown(self.columns.get(name, name))}: {found}")


def _made_id(row: Mapping[str, Any]) -> str:
    """16 hex digits of a hash of what is asked: its place in the file has no say in which subsets
    a row is in. Equal rows share one."""
    asked = [row.get(name) for name in COLUMNS["span-qa"] if name != "id"]
    text = json.dumps(asked, skipkeys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _real(text: str) -> float | str:
    """A number as text, as CSV has it; what is none stays as it is, to be refused."""
    try:
        return float(text)
    except ValueError:
        return text


def _whole(text: str) -> int | None:
    said = text.strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else None


def _are(values: Any, *kinds: type) -> TypeGuard[list[Any]]:
    """Whether it is a list of these; True and False are no numbers."""
    return isinstance(values, list) and all(
        isinstance(value, kinds) and not isinstance(value, bool) for value in values
    )


def _wrong_id(row: Row, columns: Mapping[str, Any], record: Record) -> str | None:
    """Where some records have ids and others none: which is first may not decide what is read."""
    if "id" not in columns:
        stray = record.get("id")
        return f"id: found {stray!r}, expected nothing, {_AS_FIRST}" if is_id(stray) else None
    if not isinstance(row.get("id"), str):
        return f"id: found {row['id']!r}, expected text" if "id" in row else _NO_ID
    return None


def _empty(row: Row) -> str | None:
    """What no row may lack although its type is right: tokens, and text in each."""
    if "tokens" not in row:
        return None
    if not row["tokens"]:
        return "tokens: found no token, expected one or more"
    return None if all(row["tokens"]) else "tokens: found an empty token, expected text"
