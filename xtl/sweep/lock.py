"""The lock: what `prepare` resolved the manifest's names to. Shard ids are made from it."""

from __future__ import annotations

from pydantic import Field

from xtl.data.leakage import Overlap
from xtl.errors import UserError
from xtl.sweep.shard import ModelRef, Table
from xtl.tasks.entries import DatasetRef
from xtl.tasks.settings import Frozen


class UnlockedError(UserError):
    """The lock lacks what the manifest names."""


class LockedModel(ModelRef):
    """The public model, with the figures that the forecast needs (counts of parameters)."""

    parameters: int
    embedding_parameters: int
    layers: int
    hidden: int
    heads: int = 0  # of attention; 0: not known, as in locks from before they were counted
    lm_head: bool = False  # whether its files have one, for masked LM to go on with

    def reference(self) -> ModelRef:
        return ModelRef(repo=self.repo, revision=self.revision, fingerprint=self.fingerprint)


class LockedTable(Table):
    """A table, with the mean length in tokens of a sample of its rows, the names of the classes or
    tags in it where no catalogue has them, and what was found wrong with it and repaired (or left
    out, or only said): in words, with the count of rows."""

    mean_tokens: float
    labels: tuple[str, ...] = ()
    faults: dict[str, int] = Field(default_factory=dict)

    def table(self) -> Table:
        return Table(**self.model_dump(include=set(Table.model_fields)))


class Lock(Frozen):
    """Revisions, row counts and content hashes of the model and of each table of data, and the
    leakage verdict: of the pairs of tables that were compared, those that overlap."""

    model: LockedModel
    tables: dict[str, LockedTable] = Field(default_factory=dict)  # key_of(ref) → table
    leakage: dict[str, Overlap] = Field(default_factory=dict)  # pair_of(…) → what they share
    leakage_checked: tuple[str, ...] = ()  # pair_of(…) of the tables that were compared
    leakage_method: int = 0  # `xtl.data.leakage.METHOD`, by which they were

    def require(self, model: str) -> None:
        """UnlockedError where the lock is another model's."""
        if self.model.repo != model:
            raise UnlockedError(
                f"lock.json: found the model {self.model.repo}, expected {model}: run `xtl prepare`"
            )

    def find(self, ref: DatasetRef) -> LockedTable:
        try:
            return self.tables[key_of(ref)]
        except KeyError:
            raise UnlockedError(
                f"lock.json: found no {key_of(ref)}, expected it there: run `xtl prepare`"
            ) from None


def key_of(ref: DatasetRef) -> str:
    whole = f"{ref.repo}/{ref.config}/{ref.split}"
    return f"{whole}/{ref.part}" if ref.part else whole


def pair_of(training: DatasetRef, evaluation: DatasetRef) -> str:
    return f"{key_of(training)} / {key_of(evaluation)}"
