"""A shard: one unit of work, and the id that is the hash of all that can change its result."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from xtl.tasks.settings import DecodingSettings, Frozen, Recipe

RECIPE_VERSION = 2
"""Raised when the same settings would give other results (DESIGN.md, *recipe version*)."""

Stage = Literal["intermediate", "target", "evaluate"]
Precision = Literal["fp32", "bf16", "fp16"]
Subsetting = Literal["example", "paragraph"]


class ModelRef(Frozen):
    """The public model, as the lock resolved it; only the fingerprint is identity."""

    repo: str
    revision: str
    fingerprint: str

    def identity(self) -> str:
        return self.fingerprint


class Table(Frozen):
    """One table of data, as the lock resolved it; only the content hash is identity.

    `form` says how its rows become the family's, `part` which language is read of several.
    """

    repo: str
    revision: str
    config: str
    split: str
    form: str
    part: str = ""
    rows: int
    content: str

    def identity(self) -> str:
        return self.content


class Part(Frozen):
    """What a training takes of one task: `examples` of a pool, which is its tables' rows.

    `weight` is the part's share of the updates, against the weights of the other parts. `labels`
    are the names of its classes or tags, in the order of the head's outputs. `subset` says what is
    drawn: rows, or paragraphs with all their questions. `shuffled` is the control whose labels are
    dealt anew over the pool.
    """

    task: str
    family: str
    data: tuple[Table, ...]
    examples: int
    weight: int = 1
    labels: tuple[str, ...] = ()
    subset: Subsetting = "example"
    shuffled: bool = False

    def identity(self) -> dict[str, Any]:
        body = self.model_dump(mode="json", exclude={"data"})
        return body | {"data": [table.identity() for table in self.data]}


class Selection(Frozen):
    """Which checkpoint a training hands over: the best of `evaluations` at equal fractions of it.

    It is judged by `held_out` rows of each part's pool that are not trained on: whole paragraphs
    of questions on passages, and rows of all else, whose premises, prompts and sentences may recur
    in what is trained on. Or, as an oracle, with a look at the `reported` sets: then it is no
    result. With `patience` the training ends after so many evaluations that brought nothing better.
    """

    evaluations: int
    held_out: int = 0
    reported: tuple[Part, ...] = ()
    patience: int | None = None

    def identity(self) -> dict[str, Any]:
        body = self.model_dump(mode="json", exclude={"reported"})
        return body | {"reported": [part.identity() for part in self.reported]}


class TrainSpec(Frozen):
    """A training: which model or parent, which examples, how many updates, with what settings.

    `head_of` is the parent's task whose head the first part goes on with; None: heads are new.
    Without a `selection` the last checkpoint is handed over.
    """

    kind: Literal["train"] = "train"
    parts: tuple[Part, ...]
    model: ModelRef
    parent: str | None
    head_of: str | None = None
    subset_seed: int
    updates: int
    recipe: Recipe
    freeze: tuple[str, ...]
    precision: Precision
    seed: int
    selection: Selection | None = None

    @property
    def examples(self) -> int:
        """Of all parts together."""
        return sum(part.examples for part in self.parts)

    @property
    def held_out(self) -> int:
        """Rows of each part's pool that are kept out of it."""
        return self.selection.held_out if self.selection else 0

    def identity(self) -> dict[str, Any]:
        body = self.model_dump(mode="json", exclude={"model", "parts", "selection"})
        parts = [part.identity() for part in self.parts]
        chosen = {"selection": self.selection.identity()} if self.selection else {}
        return body | {"model": self.model.identity(), "parts": parts} | chosen


class HeldOut(Frozen):
    """The rows of a training pool that a training on its first `after` rows, drawn as `subset`
    says, has not seen, nor any of their paragraphs."""

    after: int
    subset: Subsetting
    subset_seed: int


class EvaluateSpec(Frozen):
    """One checkpoint (a parent's artifact, or the public model) on one evaluation set.

    `labels` are the names of the set's classes or tags. With `held_out`, on that part of a training
    pool; with `examples`, on so many rows of each language, at the same places in all.
    """

    kind: Literal["evaluate"] = "evaluate"
    set: str
    family: str
    model: ModelRef
    parent: str | None
    data: tuple[tuple[str, Table], ...]  # (language, its table), sorted by language
    held_out: HeldOut | None = None
    examples: int | None = None
    labels: tuple[str, ...] = ()
    decoding: DecodingSettings
    precision: Precision

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(language for language, _ in self.data)

    def identity(self) -> dict[str, Any]:
        body = self.model_dump(mode="json", exclude={"model", "data"})
        tables = [[language, table.identity()] for language, table in self.data]
        return body | {"model": self.model.identity(), "data": tables}


Spec = TrainSpec | EvaluateSpec


class Shard(Frozen):
    """A spec with its id, its place in the walk, and its name for people."""

    id: str
    stage: Stage
    name: str
    spec: TrainSpec | EvaluateSpec

    @property
    def parents(self) -> tuple[str, ...]:
        return () if self.spec.parent is None else (self.spec.parent,)


def shard_id(spec: Spec) -> str:
    """16 hexadecimal digits of SHA-256 over the canonical JSON of the spec's identity."""
    body = {"recipe_version": RECIPE_VERSION, **spec.identity()}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
