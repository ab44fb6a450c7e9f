"""The lock: what `prepare` resolved the manifest's names to. Shard ids are made from it."""

from __future__ import annotations

from pydantic import Field

from xtl.errors import UserError
from xtl.sweep.shard import ModelRef, Table
from xtl.tasks.catalogue import DatasetRef
from xtl.tasks.settings import Frozen


class LockedModel(ModelRef):
    """The public model, with the figures that the forecast needs (counts of parameters)."""

    parameters: int
    embedding_parameters: int
    layers: int
    hidden: int

    def reference(self) -> ModelRef:
        return ModelRef(repo=self.repo, revision=self.revision, fingerprint=self.fingerprint)


class LockedTable(Table):
    """A table, with the mean length in tokens of a sample of its rows."""

    mean_tokens: float

    def table(self) -> Table:
        return Table(**self.model_dump(exclude={"mean_tokens"}))


class Lock(Frozen):
    """Revisions, row counts and content hashes of the model and of each table of data."""

    model: LockedModel
    tables: dict[str, LockedTable] = Field(default_factory=dict)  # key_of(ref) → table

    def find(self, ref: DatasetRef) -> LockedTable:
        try:
            return self.tables[key_of(ref)]
        except KeyError:
            raise UserError(
                f"lock.json: found no {key_of(ref)}, expected it there: run `xtl prepare`"
            ) from None


def key_of(ref: DatasetRef) -> str:
    return f"{ref.repo}/{ref.config}/{ref.split}"
