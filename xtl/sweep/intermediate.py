"""What a manifest trains on first: a task or several, other text beside it, or a control."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from xtl.sweep.choices import Training
from xtl.sweep.fields import Keys, Language, Name, Positive, each_once, one_of
from xtl.sweep.shard import Subsetting
from xtl.tasks.catalogue import TASKS
from xtl.tasks.entries import Task
from xtl.tasks.settings import Recipe

USUAL_CAP = 2**17  # of examples-proportional mixing, as in the paper [recalled]


class MaskedText(Keys):
    """Masked LM on text in many languages, mixed into an intermediate training.

    `share`: of the updates. `corpus` is a name under `training_data:`.
    """

    corpus: str
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    share: Annotated[float, Field(ge=0.01, le=0.99)] = 0.5

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(languages)


class Translated(Keys):
    """A task's data in other languages, by machine, in the schema of the task.

    `data` is a name under `training_data:`, whose place holds `{language}`.
    """

    data: str
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(languages)


class IntermediateChoice(Keys):
    """A task of the catalogue, or several under one encoder with a head each."""

    task: str | None = None
    tasks: tuple[str, ...] = ()
    name: Name | None = None
    training: Training = Training()
    subset: Subsetting = "example"
    labels: Literal["gold", "shuffled"] = "gold"
    masked_text: MaskedText | None = None
    translated: Translated | None = None
    cap: Positive = USUAL_CAP

    @field_validator("task", "tasks")
    @classmethod
    def _known(cls, names: Any) -> Any:
        for name in (names,) if isinstance(names, str) else names or ():
            one_of(name, TASKS)
        return each_once(names) if isinstance(names, tuple) else names

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.task is None) == (not self.tasks):
            raise ValueError("either `task` or `tasks`")
        if len(self.tasks) == 1:
            raise ValueError("tasks: found one, expected several, or `task`")
        if self.task and "cap" in self.model_fields_set:
            raise ValueError(f"cap: found {self.cap} beside one task, expected it with `tasks`")
        if self.tasks and not (self.training.epochs and self.training.batch_size):
            raise ValueError(
                "training: found no epochs and batch_size, expected both: tasks differ"
            )
        if self.translated and self.tasks:
            raise ValueError("translated: found several tasks, expected one")
        if self.subset == "paragraph" and {task.family for task in self.entries} != {"span-qa"}:
            raise ValueError("subset: found 'paragraph', expected a task of questions on passages")
        if "span-qa" in {task.family for task in self.entries}:
            self.training.require_overlap(self._usual)
        return self

    @property
    def label(self) -> str:
        """As it is called in cells and names."""
        return self.name or "+".join([*self._names, *self._additions])

    @property
    def _additions(self) -> list[str]:
        found = {"shuffled": self.labels == "shuffled", "mlm": self.masked_text is not None}
        found["translated"] = self.translated is not None
        return [word for word, there in found.items() if there]

    @property
    def _names(self) -> tuple[str, ...]:
        return (self.task,) if self.task else self.tasks

    @property
    def entries(self) -> list[Task]:
        return [TASKS[name] for name in self._names]

    @property
    def _usual(self) -> Recipe:
        """The first task's recipe, at the longest length of them all."""
        recipes = [entry.recipe for entry in self.entries]
        longest = max(recipe.max_length for recipe in recipes)
        return recipes[0].model_copy(update={"max_length": longest})

    @property
    def recipe(self) -> Recipe:
        return self.training.over(self._usual)

    @property
    def epochs(self) -> int:
        return self.training.epochs or self.entries[0].epochs
