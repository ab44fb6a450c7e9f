"""The catalogue: every task and evaluation set by name, as plain data. Torch-free.

Adding a task of a known family is one entry here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xtl.tasks.settings import DecodingSettings, Recipe


@dataclass(frozen=True)
class DatasetRef:
    """A split of a data set on the hub; `{language}` in config or split stands for a language."""

    repo: str
    config: str
    split: str

    def of(self, language: str) -> DatasetRef:
        return DatasetRef(
            self.repo, self.config.format(language=language), self.split.format(language=language)
        )


@dataclass(frozen=True)
class Task:
    """Something to train on, in English. `rows` is the published size, for provisional plans."""

    name: str
    family: str
    train: DatasetRef
    rows: int
    epochs: int
    recipe: Recipe
    evaluation_sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationSet:
    """Something to evaluate a checkpoint on, language by language."""

    name: str
    family: str
    data: DatasetRef
    languages: tuple[str, ...]
    headline: str
    decoding: DecodingSettings = field(default_factory=DecodingSettings)


LOOKUP_LANGUAGES = ("ar", "bn", "de", "en", "es", "fr", "hi", "ru", "sw", "te", "th", "tr")
_LOOKUP_RECIPE = Recipe(batch_size=16, learning_rate=2e-4, max_length=128, doc_stride=64)
_LOOKUP_DECODING = DecodingSettings(max_length=128, doc_stride=64)

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="lookup-pool",
            family="span-qa",
            train=DatasetRef("xtl/cldr-lookup", "pool", "train"),
            rows=4096,
            epochs=1,
            recipe=_LOOKUP_RECIPE,
        ),
        Task(
            name="lookup-qa",
            family="span-qa",
            train=DatasetRef("xtl/cldr-lookup", "target", "train"),
            rows=256,
            epochs=2,
            recipe=_LOOKUP_RECIPE,
            evaluation_sets=("lookup-qa",),
        ),
    )
}

EVALUATION_SETS: dict[str, EvaluationSet] = {
    entry.name: entry
    for entry in (
        EvaluationSet(
            name="lookup-qa",
            family="span-qa",
            data=DatasetRef("xtl/cldr-lookup", "{language}", "validation"),
            languages=LOOKUP_LANGUAGES,
            headline="f1",
            decoding=_LOOKUP_DECODING,
        ),
        EvaluationSet(
            name="lookup-pairs",
            family="retrieval",
            data=DatasetRef("xtl/cldr-lookup", "pairs.{language}", "validation"),
            languages=tuple(code for code in LOOKUP_LANGUAGES if code != "en"),
            headline="accuracy",
            decoding=_LOOKUP_DECODING,
        ),
    )
}

METRICS: dict[str, tuple[str, ...]] = {
    "span-qa": ("exact_match", "f1", "exact_match_unicode", "f1_unicode"),
    "retrieval": ("accuracy", "accuracy_from_foreign"),
}
"""What an evaluation of each family yields for a language."""

NOTES: dict[str, str] = {
    "xtl/cldr-lookup": "The data are generated, not written by people: questions about facts from "
    "Unicode's CLDR in short made-up paragraphs. They test look-up across languages, not reading.",
    "xtl/multilingual-e5-small-q4": "The encoder is a small relative of XLM-R (12 layers, hidden "
    "384, XLM-R's tokenizer) with weights rounded to 4 bits: its scores say nothing of XLM-R.",
}
"""What a reader of a report must know of a model or a data set, by repo."""
