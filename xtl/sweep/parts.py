"""Parts: what a training takes of one task's data, and what is left for it to take. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xtl.errors import UserError
from xtl.sweep.arms import Arm
from xtl.sweep.choices import TargetChoice
from xtl.sweep.lock import LockedTable
from xtl.sweep.shard import Part, TrainSpec
from xtl.sweep.sizes import Size
from xtl.tasks.entries import Task
from xtl.tasks.forms import FORMS
from xtl.tasks.schema import COLUMNS

Tables = tuple[LockedTable, ...]


@dataclass(frozen=True)
class Room:
    """How many of a pool's rows a training of an arm may take: all but what it selects by.

    `counted`: whether the pool's rows are known, so that asking for more is an error.
    """

    task: str
    rows: int
    held_out: int
    arm: str
    where: str
    counted: bool

    @property
    def left(self) -> int:
        """UserError where more than half of the rows would be held out."""
        if not self.held_out:
            return self.rows
        if self.counted and self.rows < 2 * self.held_out:
            raise UserError(
                f"arms.{self.arm}.selection.rows: found {self.held_out}, expected at most half "
                f"of the {self.rows} rows of {self.task}: a smaller number, or more data"
            )
        return max(1, self.rows - self.held_out)

    def resolved(self, size: Size) -> int:
        """The size's count of examples. A percentage is of all rows; 100% takes what is left."""
        examples = size.examples(self.rows)
        whole = size.percent is not None and size.percent == 100
        if examples > self.left and self.counted and not whole:
            raise UserError(f"sizes: found {size.label}, expected at most {self._told}")
        return min(examples, self.left) if self.held_out else examples

    def taken(self, choice: TargetChoice) -> int:
        """How many of its training set's rows a target takes."""
        wanted = choice.train_on
        if wanted is not None and wanted > self.left and self.counted:
            raise UserError(
                f"targets.{choice.task}.train_on: found {wanted}, expected at most {self._told}"
            )
        return self.left if wanted is None else min(wanted, self.left)

    @property
    def _told(self) -> str:
        if not self.held_out:
            return f"the {self.rows} rows of {self.where}"
        return (
            f"{self.left}, as arm {self.arm} holds {self.held_out} of the {self.rows} rows of "
            f"{self.where} out"
        )


def room(task: Task, pool: Tables, arm: Arm | None = None) -> Room:
    where = ", ".join(f"{table.repo}/{table.config}/{table.split}" for table in pool)
    held_out, name = (arm.held_out, arm.name) if arm else (0, "")
    return Room(task.name, rows_of(pool), held_out, name, where, _is_counted(task, pool))


def _is_counted(task: Task, pool: Tables) -> bool:
    """By the lock, or by those who published it; not yet, where somebody's own stand for it."""
    found = [(table.repo, table.config, table.split) for table in pool]
    return all(table.revision for table in pool) or found == [
        (ref.repo, ref.config, ref.split) for ref in task.tables
    ]


def rows_of(pool: Tables) -> int:
    return sum(table.rows for table in pool)


def part_of(task: Task, pool: Tables, examples: int, weight: int = 1) -> Part:
    return Part(
        task=task.name,
        family=task.family,
        data=tuple(table.table() for table in pool),
        examples=examples,
        weight=weight,
        labels=task.labels or _found_labels(pool),
    )


def _found_labels(pool: Tables) -> tuple[str, ...]:
    """What the data name: tags that any table has, sorted; of classes, which have numbers, those
    of the table with the most."""
    if any("tags" in COLUMNS[FORMS[table.form].family] for table in pool):
        return tuple(sorted({label for table in pool for label in table.labels}))
    return max((table.labels for table in pool), key=len)


def head_like(part: Part, trained: TrainSpec) -> str | None:
    """The task among those of a training whose head fits the part: of its family and classes."""
    fitting = (
        each.task
        for each in trained.parts
        if (each.family, each.labels) == (part.family, part.labels)
    )
    return next(fitting, None)


def reduced(parts: list[Part]) -> list[Part]:
    """The same shares in the smallest numbers: equal mixtures are one training."""
    divisor = math.gcd(*(part.weight for part in parts))
    return [part.model_copy(update={"weight": part.weight // divisor}) for part in parts]
