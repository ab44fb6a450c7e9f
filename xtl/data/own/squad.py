"""SQuAD's official form: articles of paragraphs of questions, flattened to a record a question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xtl.data.own.text import fault

_NO_ANSWER: Mapping[str, tuple[()]] = {"text": (), "answer_start": ()}


def questions(
    path: Path, number: int, article: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, record) of each question; a key that the file lacks is absent from the record."""
    place = f"article {number}"
    for which, paragraph in _records(path, place, article, "paragraphs", "paragraph"):
        for where, asked in _records(path, which, paragraph, "qas", "question"):
            found = {"title": article.get("title"), "context": paragraph.get("context")}
            found |= {key: asked.get(key) for key in ("id", "question")}
            found["answers"] = _answers(asked)
            yield where, {key: value for key, value in found.items() if value is not None}


def as_struct(answers: Any) -> Any:
    """A list of `text` and `answer_start` as a struct of lists; anything else as it is."""
    if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
        return answers
    keys = [key for key in ("text", "answer_start") if any(key in one for one in answers)]
    if any(key not in one for key in keys for one in answers):
        return answers
    return {key: [one[key] for one in answers] for key in keys or _NO_ANSWER}


def _answers(asked: Mapping[str, Any]) -> Any:
    """None in them where the question is marked as impossible, whatever else it says."""
    if asked.get("is_impossible") is True:
        return {key: [] for key in _NO_ANSWER}
    return as_struct(asked.get("answers"))


def _records(
    path: Path, place: str, parent: Mapping[str, Any], key: str, name: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = parent.get(key)
    if not isinstance(found, list):
        raise fault(path, place, f"{key}: found {type(found).__name__}, expected a list")
    for number, record in enumerate(found, 1):
        where = f"{place}, {name} {number}"
        if not isinstance(record, dict):
            raise fault(path, where, f"found {type(record).__name__}, expected keys and values")
        yield where, record
