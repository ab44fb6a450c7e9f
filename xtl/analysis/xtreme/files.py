"""Files of predictions and labels, as XTREME's evaluate.py reads them, but for what is malformed:
that is one clear line here (UserError: file, line, what was found, what was expected).

White space around a line does not count. Empty lines at the end of a file do not either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from xtl.errors import UserError

_SHOWN = 40  # characters of a line that an error shows


@dataclass(frozen=True)
class Line:
    """What one line of a file says, and which line it is (from 1)."""

    number: int
    text: str


@dataclass(frozen=True)
class Question:
    """One of SQuAD's: its id and the texts of its answers."""

    id: str
    answers: tuple[str, ...]


def read_labels(path: Path, known: Collection[str] = ()) -> list[str]:
    """One label a line; one of `known` if that is not empty."""
    expected = f"one of {', '.join(known)}" if known else "a label alone"
    return _each(path, expected, lambda text: text in known if known else len(text.split()) == 1)


def read_indices(path: Path) -> list[str]:
    """One index a line. They stay text: evaluate.py compares them as such."""
    return _each(path, "a whole number", lambda text: re.fullmatch(r"[0-9]+", text) is not None)


def read_pairs(path: Path) -> set[tuple[str, str]]:
    """A source's id, a tab and a target's id on each line; a pair counts once."""
    expected = "two ids with a tab between them"
    lines = _each(path, expected, lambda text: re.fullmatch(r"\S+\t\S+", text) is not None)
    return {(source, target) for source, _, target in (line.partition("\t") for line in lines)}


def read_tags(path: Path) -> list[list[Line]]:
    """One tag a line, sentences parted by empty lines, however many."""
    sentences = groupby(_lines(path), key=lambda line: bool(line.text))
    found = [list(lines) for filled, lines in sentences if filled]
    for line in (line for sentence in found for line in sentence):
        if len(line.text.split()) != 1:
            raise _malformed(path, line, "one tag, or an empty line between sentences")
    return found


def read_answers(path: Path) -> dict[str, str]:
    """{question's id: answer}, in JSON."""
    answers = _json(path)
    if not isinstance(answers, dict):
        raise UserError(f"{path}: found {_kind(answers)}, expected an object of id: answer")
    for name, answer in answers.items():
        if not isinstance(answer, str):
            raise UserError(f"{path}: {name}: found {_kind(answer)}, expected an answer's text")
    return answers


def read_questions(path: Path) -> list[Question]:
    """All questions of a file in SQuAD's JSON, in its order; `data` may be left out around them."""
    whole = _json(path)
    articles = whole.get("data") if isinstance(whole, dict) else whole
    found = [_question(path, question) for question in _questions(path, articles)]
    if not found:
        raise UserError(f"{path}: found no question, expected some")
    return found


def _questions(path: Path, articles: Any) -> Iterator[Any]:
    try:
        for article in articles:
            for paragraph in article["paragraphs"]:
                yield from paragraph["qas"]
    except (TypeError, KeyError):
        raise UserError(
            f"{path}: found no data[].paragraphs[].qas[], expected SQuAD's layout"
        ) from None


def _question(path: Path, question: Any) -> Question:
    try:
        found = Question(question["id"], tuple(each["text"] for each in question["answers"]))
        whole = bool(found.answers) and all(isinstance(text, str) for text in found.answers)
    except (TypeError, KeyError):
        whole = False
    if not whole or not isinstance(found.id, str):
        name = question.get("id") if isinstance(question, dict) else None
        raise UserError(
            f"{path}: question {name!r}: found no id with answers[].text, expected SQuAD's layout "
            "and an answer to every question"
        )
    return found


def _each(path: Path, expected: str, good: Callable[[str], bool]) -> list[str]:
    lines = _lines(path)
    for line in lines:
        if not good(line.text):
            raise _malformed(path, line, expected)
    return [line.text for line in lines]


def _lines(path: Path) -> list[Line]:
    """Lines end where text files' do, and not at Unicode's other separators."""
    texts = [line.strip() for line in re.split("\r\n|\r|\n", _text(path))]
    while texts and not texts[-1]:
        texts.pop()
    return [Line(number, text) for number, text in enumerate(texts, start=1)]


def _malformed(path: Path, line: Line, expected: str) -> UserError:
    shown = line.text if len(line.text) <= _SHOWN else f"{line.text[:_SHOWN]}…"
    found = repr(shown) if shown else "an empty line"
    return UserError(f"{path}:{line.number}: found {found}, expected {expected}")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8, expected UTF-8 text") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: found {error.msg}, expected JSON") from None
    except RecursionError:
        raise UserError(f"{path}: found lists or objects too deep in each other to read, expected "
                        "predictions or labels") from None  # fmt: skip
    except ValueError as error:  # a number of more digits than Python reads
        raise UserError(f"{path}: found {error}, expected JSON") from None


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return "nothing" if value is None else kinds.get(type(value), "a number")
