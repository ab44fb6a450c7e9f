"""What a manifest chooses: the model, how things are trained, targets, sets, controls, and the
one contrast."""

from __future__ import annotations

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
from xtl.tasks.catalogue import EVALUATION_SETS, TARGETS, TASKS
from xtl.tasks.entries import EvaluationSet, Target, Task
from xtl.tasks.settings import Recipe

MOST_RANKS = 1024

UNTRAINED = ("retrieval", "mining")
"""Families whose sets are run on any checkpoint, as they read no head."""

Languages = tuple[Language, ...] | Literal["all"]
Rate = Annotated[float, Field(gt=0, lt=1)]


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
    deterministic: bool = False


class Training(Keys):
    """Changes to a recipe; what is absent stays as the catalogue has it."""

    epochs: Positive | None = None
    batch_size: Positive | None = None
    learning_rate: Rate | None = None
    warmup_fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_length: Annotated[int, Field(ge=16, le=512)] | None = None
    doc_stride: Positive | None = None

    def over(self, recipe: Recipe) -> Recipe:
        return recipe.model_copy(update=self.model_dump(exclude={"epochs"}, exclude_none=True))

    def require_overlap(self, recipe: Recipe) -> None:
        """ValueError where the windows that `recipe` becomes would leave tokens out."""
        made = self.over(recipe)
        if made.doc_stride >= made.max_length:
            found = f"training.doc_stride: found {made.doc_stride}"
            raise ValueError(f"{found}, expected less than max_length, {made.max_length}")


class TargetChoice(Keys):
    """A target of the catalogue: trained on in English, evaluated in many languages.

    `after`: the intermediate choices that it follows; `secondary`: with its secondary sets.
    `head`: `carried` goes on with the head of an intermediate task of the same kind, where there
    is one. `train_on` and `evaluate_on` take so many examples, of its training set and of each
    language.
    """

    task: str
    training: Training = Training()
    head: Literal["new", "carried"] = "new"
    train_on: Positive | None = None
    evaluate_on: Positive | None = None
    languages: Languages = "all"
    after: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all"] = "all"
    secondary: bool = False

    @field_validator("task")
    @classmethod
    def _known(cls, name: str) -> str:
        return one_of(name, TARGETS)

    @field_validator("languages")
    @classmethod
    def _spoken(cls, languages: Any, info: ValidationInfo) -> Any:
        if "task" in info.data:
            require_languages(languages, TARGETS[info.data["task"]].evaluation_sets)
        return languages

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        if self.trained.family == "span-qa":
            self.training.require_overlap(self.entry.recipe)
        return self

    @property
    def entry(self) -> Target:
        return TARGETS[self.task]

    @property
    def trained(self) -> Task:
        return TASKS[self.entry.task]

    @property
    def recipe(self) -> Recipe:
        return self.training.over(self.entry.recipe)

    @property
    def epochs(self) -> int:
        return self.training.epochs or self.entry.epochs


class RetrievalChoice(Keys):
    """A set that needs no training, run on every checkpoint and on the public model: sentences to
    be found, or mined. `evaluate_on` takes so many pairs of each language; `layer` is the hidden
    layer that is read, 0 being the embeddings."""

    set: str
    languages: Languages = "all"
    evaluate_on: Positive | None = None
    layer: Annotated[int, Field(ge=0)] | None = None

    @field_validator("set")
    @classmethod
    def _known(cls, name: str) -> str:
        sets = {key: each for key, each in EVALUATION_SETS.items() if each.family in UNTRAINED}
        return one_of(name, sets)

    @field_validator("languages")
    @classmethod
    def _spoken(cls, languages: Any, info: ValidationInfo) -> Any:
        if "set" in info.data:
            require_languages(languages, (info.data["set"],))
        return languages

    @model_validator(mode="after")
    def _whole_pools(self) -> Self:
        if self.evaluate_on and EVALUATION_SETS[self.set].family == "mining":
            raise ValueError("evaluate_on: found a count, expected none: pools are mined whole")
        return self


class StrongControl(Keys):
    """The target's recipe tuned on held-out English, at some sizes of one arm.

    Every epochs × learning rate is trained on all but a held-out share of the target's training
    set (by whole paragraphs), and evaluated on that and on the target's own sets.
    """

    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    arm: Name
    sizes: Annotated[tuple[AnySize, ...], Field(min_length=1)]
    epochs: Annotated[tuple[Positive, ...], Field(min_length=1)]
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.1

    @field_validator("targets", "sizes", "epochs", "learning_rates")
    @classmethod
    def _distinct(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return each_once(entries)


class Accepted(Keys):
    """An overlap of training and evaluation data that is known and accepted, and why.

    `at_most`: so many passages of one table, however they overlap.
    """

    training: str
    evaluation: str
    because: Annotated[str, Field(min_length=1)]
    at_most: Positive | None = None


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


def require_languages(languages: Any, sets: tuple[str, ...]) -> None:
    """ValueError where a language is none of a set's, or given twice."""
    if languages == "all":
        return
    if not languages or len(set(languages)) < len(languages):
        raise ValueError("`all`, or at least one language, each once")
    for entry in (EVALUATION_SETS[name] for name in sets):
        if set(languages) - set(entry.languages):
            raise ValueError(f"languages of {entry.name}, {', '.join(entry.languages)}")


def chosen_languages(entry: EvaluationSet, languages: Languages) -> tuple[str, ...]:
    """The languages of a set that are run, sorted where a manifest names them."""
    return entry.languages if languages == "all" else tuple(sorted(languages))
