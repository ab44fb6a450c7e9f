"""Trainings: what a choice of a manifest comes to at one size. Pure.

Several tasks are mixed in proportion to their examples, none counting for more than the choice's
`cap` (Raffel et al. 2020, "examples-proportional mixing"), at the proportions of the full sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from xtl.data.batches import updates_per_epoch
from xtl.errors import UserError
from xtl.sweep.arms import Arm
from xtl.sweep.choices import TargetChoice
from xtl.sweep.holdouts import require_intermediate, require_target
from xtl.sweep.intermediate import IntermediateChoice
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import main_sets, set_table, task_tables, text_table, translated_table
from xtl.sweep.parts import Tables, head_like, part_of, reduced, room, rows_of
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import Part, TrainSpec
from xtl.sweep.sizes import Size, parse_size
from xtl.tasks.entries import DatasetRef, EvaluationSet, Task
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
        """An oracle's is that of an arm that selects nothing."""
        pools = [self._pool(choice, task) for task in choice.entries]
        counts = [
            room(task, pool, arm).resolved(size)
            for task, pool in zip(choice.entries, pools, strict=True)
        ]
        parts = self._parts(choice, pools, counts)
        updates = _updates(choice, pools, counts, arm)
        if updates < len(parts):
            raise UserError(
                f"intermediate.{choice.label}: found {updates} updates at size {size.label}, "
                f"expected one for each of its {len(parts)} tasks: a larger size, more epochs, or "
                "a smaller batch"
            )
        spec = self._spec(tuple(parts), updates, choice.recipe, seed)
        require_intermediate(choice, spec, arm)
        return spec if arm.oracle else _selecting(spec, arm)

    def target(
        self, choice: TargetChoice, parent: tuple[str, TrainSpec] | None, arm: Arm, seed: int
    ) -> TrainSpec:
        pool = self._tables(task_tables(self.manifest, choice.trained))
        part = part_of(choice.trained, pool, room(choice.trained, pool, arm).taken(choice))
        updates = choice.epochs * updates_per_epoch(part.examples, choice.recipe.batch_size)
        spec = self._spec((part,), updates, choice.recipe, seed)
        if parent is not None:
            require_target(choice, spec, parent[1], arm)
        reported = self._reported(choice, part, arm) if arm.oracle else ()
        return self._after(choice, parent, _selecting(spec, arm, reported))

    def _reported(self, choice: TargetChoice, part: Part, arm: Arm) -> tuple[Part, ...]:
        """What an oracle of the target reads: its main sets, in every language that is run. The
        numbers of classes and tags are those that the training has learnt."""
        parts = []
        for asked in main_sets(choice):
            _require_alike(asked.entry, choice.trained, arm)
            for code in asked.languages:
                ref = set_table(self.manifest, asked.entry, code)
                table, name = self.lock.find(ref).table(), f"{asked.entry.name} {code}"
                examples = min(asked.examples or table.rows, table.rows)
                changes = {"task": name, "data": (table,), "examples": examples}
                parts.append(part.model_copy(update=changes))
        return tuple(parts)

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
        rows = room(choice.trained, pool).taken(choice)
        if rows < 2:
            raise UserError(
                f"strong_control.targets: found {choice.task} with {rows} rows to train on, "
                "expected two or more to hold some out of"
            )
        part = part_of(choice.trained, pool, rows - max(1, round(held_out * rows)))
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

    def _pool(self, choice: IntermediateChoice, task: Task) -> Tables:
        if choice.translated is None:
            return self._tables(task_tables(self.manifest, task))
        name = choice.translated.data
        refs = [
            translated_table(self.manifest, name, task, code)
            for code in sorted(choice.translated.languages)
        ]
        return self._tables(tuple(refs))

    def _tables(self, refs: tuple[DatasetRef, ...]) -> Tables:
        return tuple(self.lock.find(ref) for ref in refs)

    def _parts(
        self, choice: IntermediateChoice, pools: list[Tables], counts: list[int]
    ) -> list[Part]:
        weights = [min(rows_of(pool), choice.cap) for pool in pools] if len(pools) > 1 else [1]
        share = Fraction(0)
        if choice.masked_text:
            share = Fraction(choice.masked_text.share).limit_denominator(1000)
        parts = [
            part_of(task, pool, examples, weight * (share.denominator - share.numerator))
            for task, pool, examples, weight in zip(
                choice.entries, pools, counts, weights, strict=True
            )
        ]
        changes = {"subset": choice.subset, "shuffled": choice.labels == "shuffled"}
        parts = [part.model_copy(update=changes) for part in parts]
        return reduced([*parts, *self._text(choice, sum(weights) * share.numerator)])

    def _text(self, choice: IntermediateChoice, weight: int) -> list[Part]:
        text = choice.masked_text
        if text is None:
            return []
        refs = [text_table(self.manifest, text.corpus, code) for code in sorted(text.languages)]
        tables = self._tables(tuple(refs))
        data = tuple(table.table() for table in tables)
        return [
            Part(
                task=MASKED_LM, family=MASKED_LM, data=data, examples=rows_of(tables), weight=weight
            )
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


def _selecting(spec: TrainSpec, arm: Arm, reported: tuple[Part, ...] = ()) -> TrainSpec:
    """The same, with the checkpoint handed over that the arm selects."""
    if arm.selection is None:
        return spec
    return spec.model_copy(update={"selection": arm.selection.of(spec.updates, reported)})


def _require_alike(entry: EvaluationSet, task: Task, arm: Arm) -> None:
    """UserError where what the set asks for is not what the task teaches."""
    if (entry.family, entry.labels) != (task.family, task.labels):
        raise UserError(
            f"arms.{arm.name}.selection.by: found oracle, expected hold-out: {entry.name} asks for "
            f"other answers than {task.name} teaches"
        )


def _updates(
    choice: IntermediateChoice, pools: list[Tables], counts: list[int], arm: Arm
) -> int:  # fmt: skip
    a_pass = _pass(choice, counts)
    if arm.fixed == "epochs":
        return choice.epochs * a_pass
    tenth = [TENTH.examples(rows_of(pool)) for pool in pools]
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
