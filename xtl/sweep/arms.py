"""Arms: what is held fixed while the size grows, and which checkpoint their trainings hand over."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from xtl.sweep.fields import Keys, Name, Positive
from xtl.sweep.shard import Part, Selection

USUAL_REPETITION = 100  # passes over a subset, ours: beyond them a small subset says nothing new
USUAL_ROWS = 500  # as many as the paper looks at
MOST_EVALUATIONS = 100  # each reads what is judged by whole


class SelectionChoice(Keys):
    """The best of so many checkpoints, at equal fractions of a training.

    By a hold-out of each training's own data, so many `rows` at most: whole paragraphs of questions
    on passages, and rows of all else, whose premises, prompts and sentences may recur in what is
    trained on. Or by an oracle: of target trainings alone, with a look at the sets that
    are reported. With `patience` a training ends after so many evaluations that brought nothing
    better.
    """

    evaluations: Annotated[Positive, Field(ge=2, le=MOST_EVALUATIONS)]
    by: Literal["hold-out", "oracle"] = "hold-out"
    rows: Positive = USUAL_ROWS
    patience: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_by_its_old_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and "held_out" in given:
            raise ValueError(
                f"held_out: found {given['held_out']}, expected it as `rows`, its name since: a "
                "count, where strong_control.held_out is a share"
            )
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.by == "oracle" and self.patience is not None:
            raise ValueError(
                f"patience: found {self.patience}, expected none beside `by: oracle`: what is "
                "reported must never end a training"
            )
        if self.by == "oracle" and "rows" in self.model_fields_set:
            raise ValueError(
                f"rows: found {self.rows}, expected none beside `by: oracle`, which holds nothing "
                "out"
            )
        if self.patience is not None and self.patience >= self.evaluations - 1:
            most = self.evaluations - 2
            raise ValueError(
                f"patience: found {self.patience}, expected "
                + (f"at most {most}" if most else "none beside 2 evaluations")
                + f": the first of {self.evaluations} evaluations is there to be beaten, and the "
                "last ends the training anyway"
            )
        return self

    def of(self, updates: int, reported: tuple[Part, ...] = ()) -> Selection:
        """What it comes to in a training of so many updates: one evaluation an update at most, and
        no patience that could not end it. With `reported` parts, an oracle's."""
        evaluations = min(self.evaluations, updates)
        ends = self.patience is not None and self.patience < evaluations - 1
        return Selection(
            evaluations=evaluations,
            held_out=0 if reported else self.rows,
            reported=reported,
            patience=self.patience if ends else None,
        )


class Arm(Keys):
    """What is held fixed while the size grows: passes over the data, or optimiser updates.

    Without `updates`, fixed updates are those of the 10% run of each choice. No subset is passed
    over more than `max_epochs` times. Without a `selection`, the last checkpoint is handed over.
    """

    name: Name
    fixed: Literal["epochs", "updates"]
    updates: Positive | None = None
    max_epochs: Positive = USUAL_REPETITION
    selection: SelectionChoice | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fixed == "epochs" and self.updates is not None:
            raise ValueError("`updates:` only with `fixed: updates`")
        if self.fixed == "epochs" and "max_epochs" in self.model_fields_set:
            raise ValueError("`max_epochs:` only with `fixed: updates`")
        return self

    @property
    def oracle(self) -> bool:
        """Whether its checkpoints are selected by what is reported."""
        return self.selection is not None and self.selection.by == "oracle"

    @property
    def held_out(self) -> int:
        """Rows of each training's data that are held out of it, at most."""
        return 0 if self.selection is None or self.oracle else self.selection.rows
