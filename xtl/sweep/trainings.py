"""Trainings: what a choice of a manifest comes to at one size. Pure.

Several tasks are mixed in proportion to their examples, none counting for more than the choice's
`cap` (Raffel et al. 2020, "examples-proportional mixing"), at the proportions of the full sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from xtl.data.batches import updates_per_epoch
from xtl.errors import UserError
from xtl.sweep.choices import Arm, TargetChoice
from xtl.sweep.intermediate import IntermediateChoice
from xtl.sweep.lock import Lock, LockedTable
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import task_tables, text_table, translated_table
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import Part, TrainSpec
from xtl.sweep.sizes import Size, parse_size
from xtl.tasks.entries import DatasetRef, Task
from xtl.tasks.forms import FORMS
from xtl.tasks.schema import COLUMNS
from xtl.tasks.settings import Recipe

TENTH = parse_size("10%")
"""The size whose updates an arm of fixed updates takes by default."""


@dataclass(frozen=True)
class Trainings:
    """Makes the specs of a manifest's trainings out of what the lock says."""

    manifest: Manifest
    lock: Lock

    def intermediate(
        self, choice: IntermediateChoice, size: Size, arm: Arm, seed: int
    ) -> TrainSpec:
        pools = [self._pool(choice, task) for task in choice.entries]
        counts = [resolved(size, pool) for pool in pools]
        parts = self._parts(choice, pools, counts)
        updates = _updates(choice, pools, counts, arm)
        if updates < len(parts):
            raise UserError(
                f"intermediate {choice.label}: found {updates} updates at size {size.label}, "
                f"expected one for each of its {len(parts)} tasks: a larger size, more epochs, or "
                "a smaller batch"
            )
        return self._spec(tuple(parts), updates, choice.recipe, seed)

    def target(
        self, choice: TargetChoice, parent: tuple[str, TrainSpec] | None, seed: int
    ) -> TrainSpec:
        pool = self._tables(task_tables(self.manifest, choice.trained))
        part = _part(choice.trained, pool, _taken(choice, pool))
        updates = choice.epochs * updates_per_epoch(part.examples, choice.recipe.batch_size)
        return self._after(choice, parent, self._spec((part,), updates, choice.recipe, seed))

    def tuned(
        self, choice: TargetChoice, parent: tuple[str, TrainSpec] | None, seed: int, epochs: int,
        rate: float, held_out: float,
    ) -> TrainSpec:  # fmt: skip
        """The target with another recipe, on all but the share that it is chosen by."""
        pool = self._tables(task_tables(self.manifest, choice.trained))
        if len(pool) > 1:
            raise UserError(
                f"strong_control.targets: found {choice.task}, which trains on {len(pool)} tables, "
                "expected one to hold rows out of: put one place under "
                f"training_data.{choice.trained.name}"
            )
        rows = _taken(choice, pool)
        if rows < 2:
            raise UserError(
                f"strong_control.targets: found {choice.task} with {rows} rows to train on, "
                "expected two or more to hold some out of"
            )
        part = _part(choice.trained, pool, rows - max(1, round(held_out * rows)))
        if part.family == "span-qa":
            part = part.model_copy(update={"subset": "paragraph"})
        recipe = choice.recipe.model_copy(update={"learning_rate": rate})
        updates = epochs * updates_per_epoch(part.examples, recipe.batch_size)
        return self._after(choice, parent, self._spec((part,), updates, recipe, seed))

    def _after(
        self, choice: TargetChoice, parent: tuple[str, TrainSpec] | None, spec: TrainSpec
    ) -> TrainSpec:
        """The same on top of a parent, with the head that is carried over, if any is."""
        if parent is None:
            return spec
        name, trained = parent
        head = head_like(spec.parts[0], trained) if choice.head == "carried" else None
        return spec.model_copy(update={"parent": name, "head_of": head})

    def _pool(self, choice: IntermediateChoice, task: Task) -> tuple[LockedTable, ...]:
        if choice.translated is None:
            return self._tables(task_tables(self.manifest, task))
        name = choice.translated.data
        refs = [
            translated_table(self.manifest, name, task, code)
            for code in sorted(choice.translated.languages)
        ]
        return self._tables(tuple(refs))

    def _tables(self, refs: tuple[DatasetRef, ...]) -> tuple[LockedTable, ...]:
        return tuple(self.lock.find(ref) for ref in refs)

    def _parts(
        self, choice: IntermediateChoice, pools: list[tuple[LockedTable, ...]], counts: list[int]
    ) -> list[Part]:
        weights = [min(_rows(pool), choice.cap) for pool in pools] if len(pools) > 1 else [1]
        share = Fraction(0)
        if choice.masked_text:
            share = Fraction(choice.masked_text.share).limit_denominator(1000)
        parts = [
            _part(task, pool, examples, weight * (share.denominator - share.numerator))
            for task, pool, examples, weight in zip(
                choice.entries, pools, counts, weights, strict=True
            )
        ]
        changes = {"subset": choice.subset, "shuffled": choice.labels == "shuffled"}
        parts = [part.model_copy(update=changes) for part in parts]
        return _reduced([*parts, *self._text(choice, sum(weights) * share.numerator)])

    def _text(self, choice: IntermediateChoice, weight: int) -> list[Part]:
        text = choice.masked_text
        if text is None:
            return []
        refs = [text_table(self.manifest, text.corpus, code) for code in sorted(text.languages)]
        tables = self._tables(tuple(refs))
        data = tuple(table.table() for table in tables)
        return [
            Part(task=MASKED_LM, family=MASKED_LM, data=data, examples=_rows(tables), weight=weight)
        ]

    def _spec(self, parts: tuple[Part, ...], updates: int, recipe: Recipe, seed: int) -> TrainSpec:
        return TrainSpec(
            parts=parts,
            model=self.lock.model.reference(),
            parent=None,
            subset_seed=seed,
            updates=updates,
            recipe=recipe,
            freeze=self.manifest.model.freeze,
            precision=self.manifest.engine.precision,
            seed=seed,
        )


def resolved(size: Size, pool: tuple[LockedTable, ...]) -> int:
    """The size's count of examples, within the pool's rows."""
    rows = _rows(pool)
    examples = size.examples(rows)
    if examples > rows and _is_locked(pool):
        where = ", ".join(f"{table.repo}/{table.config}/{table.split}" for table in pool)
        raise UserError(f"sizes: found {size.label}, expected at most the {rows} of {where}")
    return examples


def _is_locked(pool: tuple[LockedTable, ...]) -> bool:
    return all(table.revision for table in pool)


def _rows(pool: tuple[LockedTable, ...]) -> int:
    return sum(table.rows for table in pool)


def _part(task: Task, pool: tuple[LockedTable, ...], examples: int, weight: int = 1) -> Part:
    return Part(
        task=task.name,
        family=task.family,
        data=tuple(table.table() for table in pool),
        examples=examples,
        weight=weight,
        labels=task.labels or _found_labels(pool),
    )


def _found_labels(pool: tuple[LockedTable, ...]) -> tuple[str, ...]:
    """What the data name: tags that any table has, sorted; of classes, which have numbers, those
    of the table with the most."""
    if any("tags" in COLUMNS[FORMS[table.form].family] for table in pool):
        return tuple(sorted({label for table in pool for label in table.labels}))
    return max((table.labels for table in pool), key=len)


def _taken(choice: TargetChoice, pool: tuple[LockedTable, ...]) -> int:
    """How many of its training set's rows a target takes."""
    rows = _rows(pool)
    if choice.train_on is None:
        return rows
    if choice.train_on > rows and _is_locked(pool):
        raise UserError(
            f"targets.{choice.task}.train_on: found {choice.train_on}, expected at most the {rows} "
            f"rows of {choice.trained.name}"
        )
    return min(choice.train_on, rows)


def head_like(part: Part, trained: TrainSpec) -> str | None:
    """The task among those of a training whose head fits the part: of its family and classes."""
    fitting = (
        each.task
        for each in trained.parts
        if (each.family, each.labels) == (part.family, part.labels)
    )
    return next(fitting, None)


def _reduced(parts: list[Part]) -> list[Part]:
    """The same shares in the smallest numbers: equal mixtures are one training."""
    divisor = math.gcd(*(part.weight for part in parts))
    return [part.model_copy(update={"weight": part.weight // divisor}) for part in parts]


def _updates(
    choice: IntermediateChoice, pools: list[tuple[LockedTable, ...]], counts: list[int], arm: Arm
) -> int:  # fmt: skip
    a_pass = _pass(choice, counts)
    if arm.fixed == "epochs":
        return choice.epochs * a_pass
    tenth = [TENTH.examples(_rows(pool)) for pool in pools]
    wanted = arm.updates or choice.epochs * _pass(choice, tenth)
    return min(wanted, arm.max_epochs * a_pass)


def _pass(choice: IntermediateChoice, counts: list[int]) -> int:
    """Updates of one pass over the tasks' examples, the masked text's share added."""
    examples = sum(min(count, choice.cap) for count in counts) if len(counts) > 1 else counts[0]
    updates = updates_per_epoch(examples, choice.recipe.batch_size)
    if choice.masked_text is None:
        return updates
    rest = 1 - Fraction(choice.masked_text.share).limit_denominator(1000)
    return -(-updates * rest.denominator // rest.numerator)
