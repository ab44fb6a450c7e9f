"""Placing: the table that is read where a manifest names another place than the catalogue. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xtl.sweep.places import DataPlace
from xtl.tasks.entries import LANGUAGE, DatasetRef, Task
from xtl.tasks.forms import FORMS, OWN_FORM, known_form
from xtl.tasks.own import SPLIT

MASKED_LM = "masked-lm"
OWN, OWN_EVALUATION = "own", "own-evaluation"
"""The owners, in a mirror, of what comes from a user's files."""


@dataclass(frozen=True)
class Usual:
    """What a place stands for; `data` is the catalogue's table, if it has one."""

    name: str
    family: str
    data: DatasetRef | None = None
    trained: bool = True

    def own(self, place: DataPlace) -> DatasetRef:
        """Rows in the family's own columns, as they are made of a file. Another place has another
        name, so that it never takes what is locked of this one."""
        owner = OWN if self.trained else OWN_EVALUATION
        repo = f"{owner}/{self.name}-{place.digest}"
        return DatasetRef(repo, "default", SPLIT, f"{OWN_FORM}{self.family}")


def usual_of(task: Task) -> Usual:
    return Usual(task.name, task.family, task.tables[0] if task.tables else None)


def put(place: DataPlace, usual: Usual, language: str = "", code: str = "") -> DatasetRef:
    """What is read instead of the usual table; `code` is what that calls the language."""
    if place.is_file:
        return _file(place, usual, language)
    table = usual.data or usual.own(place)
    named = replace(
        table.of(code),
        repo=place.repo or usual.own(place).repo,
        config=(place.config or table.config.replace(LANGUAGE, code)).replace(LANGUAGE, language),
        split=(place.split or table.split.replace(LANGUAGE, code)).replace(LANGUAGE, language),
    )
    return _formed(named, language)


def _file(place: DataPlace, usual: Usual, language: str) -> DatasetRef:
    """A snapshot for each language, so that a new one leaves the others as they are locked."""
    own = usual.own(place)
    if LANGUAGE not in (place.path or ""):
        return own
    return replace(own, repo=f"{own.repo}-{language}", config=language)


def _formed(ref: DatasetRef, language: str) -> DatasetRef:
    """A set that is known is read in its own form, of the family of what it stands for."""
    known = known_form(ref.repo, ref.config)
    if known is None or FORMS[known].family != FORMS[ref.form].family:
        return ref
    part = (ref.part or language) if FORMS[known].part else ""
    return replace(ref, form=known, part=part)


def is_for_each(place: DataPlace, usual: Usual) -> bool:
    """Whether it has a table for each language."""
    return put(place, usual, "aa", "aa") != put(place, usual, "bb", "bb")
