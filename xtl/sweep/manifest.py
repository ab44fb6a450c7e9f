"""The manifest: what a researcher asks for, in YAML, checked whole before anything happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from xtl.sweep.fields import (
    AnySize,
    Keys,
    Language,
    Name,
    Positive,
    PositiveOrAuto,
    each_once,
    one_of,
)
from xtl.sweep.shard import Precision
from xtl.sweep.sizes import Size
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TASKS, EvaluationSet, Task
from xtl.tasks.settings import Recipe

MOST_RANKS = 1024


class ModelChoice(Keys):
    """The public model, and which of its parameters stay as they are (named, never hidden)."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    freeze: tuple[Literal["word_embeddings"], ...] = ()


class Engine(Keys):
    """How a training runs. Only the precision can change a result by more than rounding.

    What is `auto` is chosen from the GPU's memory: `xtl.sweep.fit`.
    """

    ranks: Annotated[int, Field(gt=0, le=MOST_RANKS)] = 1
    zero_stage: Literal["auto", 0, 1, 2, 3] = "auto"
    precision: Precision = "bf16"
    micro_batch: PositiveOrAuto = "auto"


class Training(Keys):
    """Changes to a task's own recipe; what is absent stays as the catalogue has it."""

    epochs: Positive | None = None
    batch_size: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    warmup_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_length: Annotated[int, Field(ge=16, le=512)] | None = None
    doc_stride: Positive | None = None

    def recipe(self, task: Task) -> Recipe:
        changes = self.model_dump(exclude={"epochs"}, exclude_none=True)
        return task.recipe.model_copy(update=changes)

    def epochs_of(self, task: Task) -> int:
        return self.epochs or task.epochs


class TaskChoice(Keys):
    """A task of the catalogue, trained on in English."""

    task: str
    training: Training = Training()

    @field_validator("task")
    @classmethod
    def _known(cls, name: str) -> str:
        return one_of(name, TASKS)

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        recipe = self.training.recipe(self.entry)
        if recipe.doc_stride >= recipe.max_length:
            found = f"training.doc_stride: found {recipe.doc_stride}"
            raise ValueError(f"{found}, expected less than max_length, {recipe.max_length}")
        return self

    @property
    def entry(self) -> Task:
        return TASKS[self.task]


class TargetChoice(TaskChoice):
    """A target task, and the languages its evaluation sets are run in."""

    languages: tuple[Language, ...] | Literal["all"] = "all"

    @field_validator("task")
    @classmethod
    def _evaluated(cls, name: str) -> str:
        return one_of(name, {key: task for key, task in TASKS.items() if task.evaluation_sets})

    @field_validator("languages")
    @classmethod
    def _spoken(cls, languages: Any, info: ValidationInfo) -> Any:
        for name in TASKS[info.data["task"]].evaluation_sets if "task" in info.data else ():
            _languages_of(EVALUATION_SETS[name], languages)
        return languages


class RetrievalChoice(Keys):
    """A retrieval set, run on every checkpoint and on the public model."""

    set: str
    languages: tuple[Language, ...] | Literal["all"] = "all"

    @field_validator("set")
    @classmethod
    def _known(cls, name: str) -> str:
        sets = {key: entry for key, entry in EVALUATION_SETS.items() if entry.family == "retrieval"}
        return one_of(name, sets)

    @field_validator("languages")
    @classmethod
    def _spoken(cls, languages: Any, info: ValidationInfo) -> Any:
        if "set" in info.data:
            _languages_of(EVALUATION_SETS[info.data["set"]], languages)
        return languages


class Arm(Keys):
    """What is held fixed while the size grows: passes over the data, or optimiser updates."""

    name: Name
    fixed: Literal["epochs", "updates"]
    updates: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Arm:
        if (self.fixed == "updates") != (self.updates is not None):
            raise ValueError("`updates:` with `fixed: updates`, and only there")
        return self


class Primary(Keys):
    """The one contrast that the sweep was made to measure, written down before it runs."""

    task: str
    arm: Name
    target: str
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    metric: Name = "f1"
    contrast: Literal["slope", "any-minus-zero"] = "slope"
    margin: Annotated[float, Field(gt=0)] = 0.5

    @field_validator("languages")
    @classmethod
    def _distinct(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(languages)


class Manifest(Keys):
    """See jobs/manifests/demo.yaml, which is documented line by line."""

    name: Name
    model: ModelChoice
    engine: Engine = Engine()
    intermediate: tuple[TaskChoice, ...]
    sizes: Annotated[tuple[AnySize, ...], Field(min_length=1)]
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = (Arm(name="epochs", fixed="epochs"),)
    replicates: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)]
    targets: Annotated[tuple[TargetChoice, ...], Field(min_length=1)]
    retrieval: tuple[RetrievalChoice, ...] = ()
    primary: Primary | None = None
    keep: Literal["all", "targets", "nothing"] = "targets"

    @field_validator("sizes", "replicates", "arms", "intermediate", "targets", "retrieval")
    @classmethod
    def _distinct(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return each_once(entries)

    @model_validator(mode="after")
    def _coherent(self) -> Manifest:
        if any(not size.none for size in self.sizes) and not self.intermediate:
            raise ValueError("intermediate: found nothing, expected a task for the sizes above 0")
        for choice in self.intermediate:
            _sizes_fit(self.sizes, choice.entry)
        if self.primary:
            _primary_is_planned(self, self.primary)
        return self


def _languages_of(entry: EvaluationSet, languages: Any) -> None:
    if languages == "all":
        return
    if not languages or len(set(languages)) < len(languages):
        raise ValueError("`all`, or at least one language, each once")
    missing = sorted(set(languages) - set(entry.languages))
    if missing:
        raise ValueError(f"languages of {entry.name}, {', '.join(entry.languages)}")


def _sizes_fit(sizes: tuple[Size, ...], task: Task) -> None:
    for size in sizes:
        if size.examples(task.rows) > task.rows:
            known = f"the {task.rows} examples of {task.name}"
            raise ValueError(f"sizes: found {size.label}, expected at most {known}")


def _primary_is_planned(manifest: Manifest, primary: Primary) -> None:
    targets = {choice.task: choice for choice in manifest.targets}
    _planned("task", primary.task, [choice.task for choice in manifest.intermediate])
    _planned("arm", primary.arm, [arm.name for arm in manifest.arms])
    _planned("target", primary.target, list(targets))
    _planned("metric", primary.metric, METRICS[TASKS[primary.target].family])
    languages = targets[primary.target].languages
    if languages == "all":
        languages = EVALUATION_SETS[TASKS[primary.target].evaluation_sets[0]].languages
    for language in primary.languages:
        _planned("languages", language, languages)


def _planned(key: str, found: str, planned: Sequence[str]) -> None:
    if found not in planned:
        raise ValueError(f"primary.{key}: found {found!r}, expected one of {', '.join(planned)}")
