"""Outlines of questions, free of any language, and their texts in one.

An outline is what is asked and which facts the paragraph states, in order. Questions that have
an answer and questions that have none are built alike: some facts of the asked relation about
several places, most often another fact about the place that is asked for. So neither "the only
currency in the paragraph" nor "is the place mentioned" answers anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xtl.data.lookup import wording
from xtl.data.lookup.facts import Fact, Relation
from xtl.data.lookup.wording import Group

PARAGRAPHS = {3: 6, 4: 3, 5: 1}  # number of facts: how often, in tenths
SAME_RELATION = {3: 2, 4: 3, 5: 3}  # how many of them are of the asked relation, at least
PLACE_IS_MENTIONED = 0.75  # the share that states something else about the asked place
TITLE = "CLDR look-up"


@dataclass(frozen=True)
class Outline:
    """What is asked and what is stated. `answerable` says that the asked fact is stated."""

    id: str
    asked: Fact
    stated: tuple[Fact, ...]

    @property
    def answerable(self) -> bool:
        return self.asked in self.stated


class Composer:
    """Draws outlines from a fixed set of facts, all from one random stream."""

    def __init__(self, facts: Sequence[Fact], stream: random.Random) -> None:
        self._facts = tuple(facts)
        self._stream = stream

    def outline(self, name: str, asked: Fact, answerable: bool) -> Outline:
        """One outline; the facts that it states never give one relation the same value twice."""
        count = self._stream.choices(list(PARAGRAPHS), list(PARAGRAPHS.values()))[0]
        stated = [asked] if answerable else []
        mentioned = self._stream.random() < PLACE_IS_MENTIONED
        if mentioned:
            self._add(stated, asked, self._others_about(asked), len(stated) + 1)
        elsewhere = [fact for fact in self._facts if fact.territory != asked.territory]
        rivals = [fact for fact in elsewhere if fact.relation == asked.relation]
        self._add(stated, asked, rivals, len(stated) + SAME_RELATION[count] - answerable)
        places = {fact.territory for fact in stated}
        nearby = [fact for fact in elsewhere if fact.territory in places]
        self._add(stated, asked, nearby, min(count, len(stated) + self._stream.randint(0, 1)))
        self._add(stated, asked, elsewhere, count)
        self._stream.shuffle(stated)
        return Outline(name, asked, tuple(stated))

    def facts_of(self, relation: Relation) -> list[Fact]:
        """The relation's facts in a random order."""
        return self._shuffled(fact for fact in self._facts if fact.relation == relation)

    def _others_about(self, asked: Fact) -> list[Fact]:
        return [
            fact
            for fact in self._facts
            if fact.territory == asked.territory and fact.relation != asked.relation
        ]

    def _add(self, stated: list[Fact], asked: Fact, candidates: list[Fact], count: int) -> None:
        """Add random candidates until `count` facts are stated, or none is left."""
        for fact in self._shuffled(candidates):
            if len(stated) >= count:
                return
            if not _clashes(fact, [*stated, asked]):
                stated.append(fact)

    def _shuffled(self, facts: Iterable[Fact]) -> list[Fact]:
        listed = list(facts)
        self._stream.shuffle(listed)
        return listed


def example(outline: Outline, language: str, group: Group, seed: int) -> dict[str, Any]:
    """The outline as a row of SQuAD v2 in one language, its wordings drawn from `group`."""
    words = wording.load(language)
    stream = random.Random(f"{seed}/{outline.id}/{language}")
    context = ""
    answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
    for fact in outline.stated:
        statement = stream.choice(words.phrases(group, fact.relation).statements)
        sentence, answer, start = words.state(statement, fact)
        context += " " if context else ""
        if fact == outline.asked:
            answers = {"text": [answer], "answer_start": [len(context) + start]}
        context += sentence
    asked = outline.asked
    question = stream.choice(words.phrases(group, asked.relation).questions)
    return {
        "id": outline.id,
        "title": TITLE,
        "context": context,
        "question": words.ask(question, asked.territory),
        "answers": answers,
    }


def sentence(fact: Fact, language: str, seed: int) -> str:
    """One evaluation sentence that states the fact; a language always says it the same way."""
    words = wording.load(language)
    stream = random.Random(f"{seed}/{fact.territory}/{fact.relation}/{language}")
    return words.state(stream.choice(words.phrases("evaluation", fact.relation).statements), fact)[
        0
    ]


def _clashes(fact: Fact, stated: Sequence[Fact]) -> bool:
    """It is stated already, in whole or by a value that another place shares."""
    return any((fact.relation, fact.value) == (other.relation, other.value) for other in stated)
