"""How facts are stated and asked for in each language: the project's own sentences, as data.

A file a language in `wordings/`. Its groups keep apart what English training and evaluation
say: `pool`, `target`, `evaluation`. Names stand in their dictionary form everywhere ("the
country X"), so that no language has to inflect them; where a country's name needs an article,
the file's `places` gives both.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from xtl.data.lookup import facts
from xtl.data.lookup.facts import Fact, Relation

Group = Literal["pool", "target", "evaluation"]
PLACE = "{place}"
ANSWER = "{answer}"


@dataclass(frozen=True)
class Phrases:
    """The ways to state one relation and to ask for it."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Wordings:
    """One language's phrases by group and relation, and its places that need an article."""

    language: str
    places: Mapping[str, str]
    groups: Mapping[str, Mapping[str, Phrases]]

    def phrases(self, group: Group, relation: Relation) -> Phrases:
        return self.groups[group][relation]

    def place(self, territory: str) -> str:
        return self.places.get(territory) or _known(facts.place(self.language, territory))

    def state(self, statement: str, fact: Fact) -> tuple[str, str, int]:
        """The sentence, the answer in it, and the character at which the answer starts."""
        answer = _known(facts.value(self.language, fact.relation, fact.value))
        before, after = statement.replace(PLACE, self.place(fact.territory)).split(ANSWER)
        return _capitalised(before) + answer + after, answer, len(before)

    def ask(self, question: str, territory: str) -> str:
        return _capitalised(question.replace(PLACE, self.place(territory)))


@functools.cache
def load(language: str) -> Wordings:
    """The wordings of a language; ValueError where a phrase lacks a slot or has one too many."""
    file = resources.files("xtl.data.lookup").joinpath("wordings", f"{language}.json")
    known = json.loads(file.read_text(encoding="utf-8"))
    groups = {
        group: {relation: _phrases(**entry) for relation, entry in known[group].items()}
        for group in ("pool", "target", "evaluation")
        if group in known
    }
    return Wordings(known["language"], known.get("places", {}), groups)


def _phrases(statements: list[str], questions: list[str]) -> Phrases:
    for statement in statements:
        _require_slots(statement, answers=1)
    for question in questions:
        _require_slots(question, answers=0)
    return Phrases(tuple(statements), tuple(questions))


def _require_slots(phrase: str, answers: int) -> None:
    if phrase.count(PLACE) != 1 or phrase.count(ANSWER) != answers:
        raise ValueError(f"wording {phrase!r}: expected {PLACE} once and {ANSWER} {answers} times")


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _known(name: str | None) -> str:
    if name is None:
        raise ValueError("a name is missing: only facts that can be told are ever stated")
    return name
