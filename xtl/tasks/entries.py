"""The catalogue's entries: what a task, a target and an evaluation set are. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from xtl.tasks.settings import DecodingSettings, Recipe

LANGUAGE = "{language}"
"""Stands for a language in the names of tables and in paths."""

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class DatasetRef:
    """A split of a data set, and how its rows become the family's.

    `form` names an entry of `xtl.tasks.forms`. `part` is the language that is read of a table
    with several. In `config`, `split` and `part`, `{language}` stands for a language.
    """

    repo: str
    config: str
    split: str
    form: str
    part: str = ""

    def of(self, language: str) -> DatasetRef:
        return replace(
            self,
            config=self.config.replace(LANGUAGE, language),
            split=self.split.replace(LANGUAGE, language),
            part=self.part.replace(LANGUAGE, language),
        )


@dataclass(frozen=True)
class Task:
    """Something to train on, in English: the rows of its tables, one after another.

    `rows` is the published size and `tokens` a mean length under XLM-R's tokenizer, estimated:
    both are for provisional plans, before a lock. `epochs` and `recipe` are those of an
    intermediate training. `labels` are the names of classes or tags; empty: from the data.
    `choices` is how many sequences of an example the encoder must read together.
    """

    name: str
    family: str
    tables: tuple[DatasetRef, ...]
    rows: int
    tokens: float
    epochs: int
    recipe: Recipe
    labels: tuple[str, ...] = ()
    choices: int = 1


@dataclass(frozen=True)
class Target:
    """A target: the task that it trains on, with settings of its own, and where it is evaluated.

    Two targets that train alike (XQuAD and MLQA on SQuAD) share the training.
    """

    name: str
    task: str
    epochs: int
    recipe: Recipe
    evaluation_sets: tuple[str, ...]
    secondary_sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationSet:
    """Something to evaluate a checkpoint on, language by language.

    `codes` gives what the data set calls a language, where that is not its code. `rows` is the
    published size of a language (a mean where they differ), `tokens` as in `Task`.
    """

    name: str
    family: str
    data: DatasetRef
    languages: tuple[str, ...]
    headline: str
    rows: int
    tokens: float
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    codes: Mapping[str, str] = field(default_factory=lambda: _NONE)
    labels: tuple[str, ...] = ()

    def table(self, language: str) -> DatasetRef:
        return self.data.of(self.codes.get(language, language))
