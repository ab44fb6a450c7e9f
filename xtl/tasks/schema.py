"""What rows look like once they are read: each family's columns, whatever set they come from.

A hub's set becomes this by its form (`xtl.tasks.forms`), a user's file by its column map. Labels
are class numbers, tags are their names. Pure, torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal

Kind = Literal["text", "texts", "class", "choice", "answers", "number"]
"""`class`: an index into the task's labels; `choice`: an index into the row's `choices`;
`number`: a real one, for families of extensions."""

COLUMNS: dict[str, dict[str, Kind]] = {
    "span-qa": {"id": "text", "context": "text", "question": "text", "answers": "answers"},
    "sentence-pair": {"sentence1": "text", "sentence2": "text", "label": "class"},
    "multiple-choice": {"prompt": "text", "choices": "texts", "label": "choice"},
    "tagging": {"tokens": "texts", "tags": "texts"},
    "retrieval": {"source_sentence": "text", "target_sentence": "text"},
    "mining": {"id": "text", "text": "text", "side": "text", "split": "text", "match": "text"},
    "masked-lm": {"text": "text"},
}
"""The columns of each family, in the order in which their content is hashed."""

SIDES = ("foreign", "english")
SPLITS = ("dev", "test")
"""Which pool a sentence to be mined is in. `match` has the ids of a foreign sentence's
translations, apart by spaces; it is empty where there is none, and for English sentences."""

_EXPECTED: dict[Kind, str] = {
    "text": "text",
    "texts": "a list of texts",
    "class": "a class number",
    "choice": "the number of a choice",
    "answers": "lists `text` and `answer_start` of one length",
    "number": "a number",
}


def problem(row: Mapping[str, Any], family: str, labels: Sequence[str] = ()) -> str | None:
    """What is wrong with a row, as `column: found …, expected …`; None where nothing is.

    `labels` are the names of a task's classes or tags; empty: any will do.
    """
    for column, kind in COLUMNS[family].items():
        if column not in row:
            return f"{column}: found nothing, expected {_EXPECTED[kind]}"
        if not _is(kind, row[column]):
            return f"{column}: found {_short(row[column])}, expected {_EXPECTED[kind]}"
    return _inconsistent(row, family, labels)


def _is(kind: Kind, value: Any) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "texts":
        return _are_texts(value)
    if kind == "answers":
        return _are_answers(value)
    if kind == "number":
        return type(value) in (int, float) and isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)


def _are_answers(value: Any) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"text", "answer_start"}:
        return False
    texts, starts = value["text"], value["answer_start"]
    whole = isinstance(starts, (list, tuple)) and all(isinstance(start, int) for start in starts)
    return _are_texts(texts) and whole and len(texts) == len(starts)


def _inconsistent(row: Mapping[str, Any], family: str, labels: Sequence[str]) -> str | None:
    if family == "sentence-pair" and labels and row["label"] >= len(labels):
        return f"label: found {row['label']}, expected one of {_numbered(labels)}"
    if family == "multiple-choice" and row["label"] >= len(row["choices"]):
        return _no_choice(row["label"], len(row["choices"]))
    if family == "tagging" and len(row["tokens"]) != len(row["tags"]):
        return f"tags: found {len(row['tags'])}, expected one a token, {len(row['tokens'])}"
    if family == "tagging" and labels:
        unknown = [tag for tag in row["tags"] if tag not in labels]
        return f"tags: found {unknown[0]!r}, expected {', '.join(labels)}" if unknown else None
    return _unminable(row) if family == "mining" else None


def _no_choice(label: int, choices: int) -> str:
    if not choices:
        return "choices: found none, expected one or more"
    known = f"0 to {choices - 1}" if choices > 1 else "0"
    return f"label: found {label}, expected {known}, the number of a choice"


def _unminable(row: Mapping[str, Any]) -> str | None:
    for column, known in (("side", SIDES), ("split", SPLITS)):
        if row[column] not in known:
            return f"{column}: found {_short(row[column])}, expected {' or '.join(known)}"
    if len(row["id"].split()) != 1:
        return f"id: found {_short(row['id'])}, expected text without spaces"
    if row["side"] == SIDES[1] and row["match"]:
        return f"match: found {_short(row['match'])} of an English sentence, expected nothing"
    return None


def _numbered(labels: Sequence[str]) -> str:
    return ", ".join(f"{number} ({name})" for number, name in enumerate(labels))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
