"""Tokens: the pools that a plan's shards read, tokenised before any of them waits for a GPU."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.files import names_in
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Part, Table, TrainSpec
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.entries import DatasetRef
from xtl.tasks.schema import COLUMNS

if TYPE_CHECKING:
    import datasets

    from xtl.data.hub import Report
    from xtl.tasks.pools import Pool, PoolRequest


@dataclass(frozen=True)
class Rows:
    """The rows of a pool: its tables, one after another, the names of their labels, and whether
    they are read as what is trained on."""

    tables: tuple[Table, ...]
    labels: tuple[str, ...]
    trained: bool

    def read(self, mirror: Mirror) -> datasets.Dataset:
        """Canonical rows, out of the mirror. UserError where they are not those that are locked."""
        import datasets

        read = [self._read(mirror, table) for table in self.tables]
        return read[0] if len(read) == 1 else datasets.concatenate_datasets(read)

    def _read(self, mirror: Mirror, table: Table) -> datasets.Dataset:
        from xtl.tasks.tables import content_hash, read_table

        ref = DatasetRef(table.repo, table.config, table.split, table.form, table.part)
        folder = mirror.find(table.repo, table.revision)
        rows = read_table(folder, ref, self.labels, trained=self.trained).rows
        found = content_hash(rows)
        if found != table.content:
            raise UserError(
                f"{folder}: {ref.config}/{ref.split}: found content {found[:16]}…, expected "
                f"{table.content[:16]}…, as it is locked: the mirror, or how xtl reads it, has "
                "changed since: see `xtl prepare --update`"
            )
        return rows


def rows_of_part(part: Part) -> Rows:
    task = TASKS.get(part.task)  # masked LM is none of the catalogue's
    return Rows(part.data, task.labels if task else (), trained=True)


def rows_of_reported(part: Part) -> Rows:
    """A set's language, read as it is where it is evaluated: its content is locked as that."""
    name, _, _ = part.task.rpartition(" ")
    return Rows(part.data, EVALUATION_SETS[name].labels, trained=False)


def rows_of_language(spec: EvaluateSpec, table: Table) -> Rows:
    return Rows((table,), spec.labels, trained=spec.held_out is not None)


@dataclass(frozen=True)
class Tokens:
    """The token cache of one mirror, for the tokenizer of one model's folder."""

    mirror: Mirror
    model: Path

    @cached_property
    def _tokenizer(self) -> str:
        from xtl.model.tokenizer import tokenizer_hash

        return tokenizer_hash(self.model)

    def of_part(self, spec: TrainSpec, part: Part) -> PoolRequest:
        """What a training reads of one of its tasks, or of a set that an oracle judges it by."""
        from xtl.tasks.pools import PoolRequest

        contents = [table.content for table in part.data]
        seed = spec.subset_seed if part.shuffled else None
        tags = part.labels if "tags" in COLUMNS[part.family] else ()  # features hold their numbers
        return PoolRequest.training(
            part.task, part.family, contents, self._tokenizer, spec.recipe, tags, seed
        )

    def of_language(self, spec: EvaluateSpec, language: str, table: Table) -> PoolRequest:
        """What an evaluation reads of one language."""
        from xtl.tasks.pools import PoolRequest

        return PoolRequest.evaluation(
            f"{spec.set} {language}",
            spec.family,
            [table.content],
            self._tokenizer,
            spec.decoding,
        )

    def asked(self, plan: Plan) -> list[PoolRequest]:
        """All pools that the plan's shards read."""
        return list(dict(self._asked(plan)))

    def missing(self, plan: Plan) -> dict[PoolRequest, Rows]:
        """The pools that the cache does not have, and the rows that each is made of."""
        from xtl.tasks.pools import has_pool

        asked = dict(self._asked(plan)).items()
        return {request: rows for request, rows in asked if not has_pool(self.mirror.root, request)}

    def ensure(self, plan: Plan, processes: int, report: Report) -> None:
        """Tokenise what is missing. Many may ask at once: one of them does it."""
        from xtl.tasks.tokenising import ensure_pool

        for request, rows in self.missing(plan).items():
            ensure_pool(
                self.mirror.root,
                request,
                partial(rows.read, self.mirror),
                self.model,
                processes=processes,
                report=report,
            )

    def clear(self) -> None:
        """Remove what a builder that was killed as it ended left of a pool that is there."""
        from xtl.tasks.pools import CACHE

        cache = self.mirror.root / CACHE
        for key in names_in(cache / ".building"):
            if (cache / key[:2] / key).is_dir():
                shutil.rmtree(cache / ".building" / key, ignore_errors=True)

    def open_part(self, spec: TrainSpec, part: Part) -> Pool:
        from xtl.tasks.pools import open_pool

        return open_pool(self.mirror.root, self.of_part(spec, part))

    def open_reported(self, spec: TrainSpec) -> tuple[Pool, ...]:
        """Of the sets that an oracle judges the training by; none where no oracle does."""
        return tuple(self.open_part(spec, part) for part in _reported(spec))

    def open_language(self, spec: EvaluateSpec, language: str, table: Table) -> Pool:
        from xtl.tasks.pools import open_pool

        return open_pool(self.mirror.root, self.of_language(spec, language, table))

    def _asked(self, plan: Plan) -> Iterator[tuple[PoolRequest, Rows]]:
        seen: set[object] = set()
        for spec in (shard.spec for shard in plan.shards.values()):
            if isinstance(spec, TrainSpec):
                for part in spec.parts:
                    yield self.of_part(spec, part), rows_of_part(part)
                for part in _reported(spec):
                    yield self.of_part(spec, part), rows_of_reported(part)
            elif (spec.set, spec.data) not in seen:  # a thousand evaluations read the same
                seen.add((spec.set, spec.data))
                for language, table in spec.data:
                    yield self.of_language(spec, language, table), rows_of_language(spec, table)


def _reported(spec: TrainSpec) -> tuple[Part, ...]:
    return spec.selection.reported if spec.selection else ()
