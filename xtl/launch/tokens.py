"""Tokens: the pools that a plan's shards read, tokenised before any of them waits for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.data.mirror import Mirror
from xtl.launch.abilities import can_run
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Part, Table, TrainSpec
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.entries import DatasetRef

if TYPE_CHECKING:
    import datasets

    from xtl.tasks.pools import Pool, PoolRequest

Report = Callable[[str], None]


@dataclass(frozen=True)
class Rows:
    """The rows of a pool: its tables, one after another, and the names of their labels."""

    tables: tuple[Table, ...]
    labels: tuple[str, ...]

    def read(self, mirror: Mirror) -> datasets.Dataset:
        """Canonical rows, out of the mirror."""
        import datasets

        from xtl.tasks.tables import read_table

        read = []
        for table in self.tables:
            ref = DatasetRef(table.repo, table.config, table.split, table.form, table.part)
            folder = mirror.find(table.repo, table.revision)
            read.append(read_table(folder, ref, self.labels).rows)
        return read[0] if len(read) == 1 else datasets.concatenate_datasets(read)


def rows_of_part(part: Part) -> Rows:
    task = TASKS.get(part.task)  # masked LM is none of the catalogue's
    return Rows(part.data, task.labels if task else ())


def rows_of_language(spec: EvaluateSpec, table: Table) -> Rows:
    return Rows((table,), EVALUATION_SETS[spec.set].labels)


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
        """What a training reads of one of its tasks."""
        from xtl.tasks.pools import PoolRequest

        contents = [table.content for table in part.data]
        seed = spec.subset_seed if part.shuffled else None
        return PoolRequest.training(
            part.task, part.family, contents, self._tokenizer, spec.recipe, seed
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

    def open_part(self, spec: TrainSpec, part: Part) -> Pool:
        from xtl.tasks.pools import open_pool

        return open_pool(self.mirror.root, self.of_part(spec, part))

    def open_language(self, spec: EvaluateSpec, language: str, table: Table) -> Pool:
        from xtl.tasks.pools import open_pool

        return open_pool(self.mirror.root, self.of_language(spec, language, table))

    def _asked(self, plan: Plan) -> Iterator[tuple[PoolRequest, Rows]]:
        seen: set[object] = set()
        for spec in (shard.spec for shard in plan.shards.values() if can_run(shard.spec)):
            if isinstance(spec, TrainSpec):
                for part in spec.parts:
                    yield self.of_part(spec, part), rows_of_part(part)
            elif (spec.set, spec.data) not in seen:  # a thousand evaluations read the same
                seen.add((spec.set, spec.data))
                for language, table in spec.data:
                    yield self.of_language(spec, language, table), rows_of_language(spec, table)
