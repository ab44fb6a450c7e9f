"""Which tables of data a manifest needs: the catalogue's, or what stands for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from xtl.sweep.choices import RetrievalChoice, TargetChoice, chosen_languages
from xtl.sweep.intermediate import IntermediateChoice, Translated
from xtl.sweep.manifest import Manifest
from xtl.sweep.places import DataPlace
from xtl.sweep.placing import MASKED_LM, Usual, put, usual_of
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.entries import DatasetRef, EvaluationSet, Task


@dataclass(frozen=True)
class AskedSet:
    """An evaluation set, the languages that are run, how many rows of each (None: all), and the
    layer that is read (None: the family's own)."""

    entry: EvaluationSet
    languages: tuple[str, ...]
    examples: int | None = None
    layer: int | None = None


@dataclass(frozen=True)
class Need:
    """A table, of which family its rows are, and what it is for.

    `name` is the task, evaluation set or corpus; `labels` are its classes or tags, if known;
    `place` is what stands for it; `rows` and `tokens` are published and estimated (of a corpus,
    whose rows nobody knows, 1).
    """

    ref: DatasetRef
    name: str
    family: str
    labels: tuple[str, ...]
    trained: bool
    rows: int = field(compare=False)
    tokens: float = field(compare=False)
    place: DataPlace | None = field(default=None, compare=False)


def needs(manifest: Manifest) -> list[Need]:
    """Every table that the manifest needs, each once: what is trained on first."""
    found: dict[DatasetRef, Need] = {}
    for need in every_need(manifest):
        found.setdefault(need.ref, need)
    return list(found.values())


def every_need(manifest: Manifest) -> list[Need]:
    """The same by name: a table that two tasks share is there for each."""
    return list(dict.fromkeys([*_trained(manifest), *_evaluated(manifest)]))


def task_tables(manifest: Manifest, task: Task) -> tuple[DatasetRef, ...]:
    """What a training on the task reads: one after another, these are its pool."""
    places = manifest.places(task.name)
    return tuple(put(place, usual_of(task)) for place in places) or task.tables


def set_table(manifest: Manifest, entry: EvaluationSet, language: str) -> DatasetRef:
    place = manifest.evaluation_data.get(entry.name)
    if place is None:
        return entry.table(language)
    usual = Usual(entry.name, entry.family, entry.data, trained=False)
    return put(place, usual, language, entry.codes.get(language, language))


def text_table(manifest: Manifest, corpus: str, language: str) -> DatasetRef:
    (place,) = manifest.places(corpus)
    return put(place, Usual(corpus, MASKED_LM), language, language)


def translated_table(manifest: Manifest, name: str, task: Task, language: str) -> DatasetRef:
    usual = replace(usual_of(task), name=name)
    (place,) = manifest.places(name)
    return put(place, usual, language, language)


def sets_of(target: TargetChoice) -> list[AskedSet]:
    """A target's evaluation sets."""
    more = [EVALUATION_SETS[name] for name in target.entry.secondary_sets if target.secondary]
    asked = [AskedSet(entry, _shared(entry, target), target.evaluate_on) for entry in more]
    return [*main_sets(target), *asked]


def main_sets(target: TargetChoice) -> list[AskedSet]:
    """Those that are its own, and not secondary."""
    entries = [EVALUATION_SETS[name] for name in target.entry.evaluation_sets]
    return [
        AskedSet(entry, chosen_languages(entry, target.languages), target.evaluate_on)
        for entry in entries
    ]


def retrieval_sets(choices: tuple[RetrievalChoice, ...]) -> list[AskedSet]:
    entries = [(EVALUATION_SETS[choice.set], choice) for choice in choices]
    return [
        AskedSet(entry, chosen_languages(entry, choice.languages), choice.evaluate_on, choice.layer)
        for entry, choice in entries
    ]


def passage_pairs(manifest: Manifest) -> dict[Need, list[Need]]:
    """Each table that is trained on, with the tables of passages that a model is asked after it.

    A table that is both is held against itself, and found out.
    """
    pairs: dict[Need, dict[Need, None]] = {}
    for target in manifest.targets:
        asked = [need for need in _of_sets(manifest, sets_of(target)) if need.family == "span-qa"]
        for training in _chain(manifest, target):
            found = pairs.setdefault(training, {})
            found.update((need, None) for need in asked)
    return {training: list(asked) for training, asked in pairs.items()}


def table_pairs(manifest: Manifest) -> Iterator[tuple[Need, Need]]:
    """Each table that is trained on, with each of its family that a model is asked after it."""
    for target in manifest.targets:
        asked = list(_of_sets(manifest, sets_of(target)))
        for training in dict.fromkeys(_chain(manifest, target)):
            yield from ((training, need) for need in asked if need.family == training.family)


def _chain(manifest: Manifest, target: TargetChoice) -> Iterator[Need]:
    """All that the target's models were trained on."""
    yield from _of_task(manifest, target.trained)
    for choice in manifest.intermediate:
        if target.after == "all" or choice.label in target.after:
            yield from _of_choice(manifest, choice)


def _shared(entry: EvaluationSet, target: TargetChoice) -> tuple[str, ...]:
    if target.languages == "all":
        return entry.languages
    return tuple(code for code in entry.languages if code in target.languages)


def _trained(manifest: Manifest) -> Iterator[Need]:
    for choice in manifest.intermediate:
        yield from _of_choice(manifest, choice)
    for target in manifest.targets:
        yield from _of_task(manifest, target.trained)


def _of_choice(manifest: Manifest, choice: IntermediateChoice) -> Iterator[Need]:
    for task in choice.entries:
        if choice.translated is None:
            yield from _of_task(manifest, task)
        else:
            yield from _of_translated(manifest, choice.translated, task)
    if choice.masked_text:
        corpus = choice.masked_text.corpus
        (place,) = manifest.places(corpus)
        for language in choice.masked_text.languages:
            ref = text_table(manifest, corpus, language)
            length = choice.recipe.max_length  # text fills what there is room for
            yield Need(ref, corpus, MASKED_LM, (), True, 1, length, place)


def _of_translated(manifest: Manifest, choice: Translated, task: Task) -> Iterator[Need]:
    (place,) = manifest.places(choice.data)
    for language in choice.languages:
        ref = translated_table(manifest, choice.data, task, language)
        yield Need(
            ref, choice.data, task.family, task.labels, True, task.rows, task.tokens, place
        )  # fmt: skip


def _of_task(manifest: Manifest, task: Task) -> Iterator[Need]:
    tables = task_tables(manifest, task)
    places = manifest.places(task.name) or (None,) * len(tables)
    for ref, place in zip(tables, places, strict=True):
        rows = task.rows if place else _published(task, ref)
        yield Need(ref, task.name, task.family, task.labels, True, rows, task.tokens, place)


def _published(task: Task, ref: DatasetRef) -> int:
    """A table's rows: those of the task that is this table alone, else an even share of what such
    tasks leave of the whole."""
    alone = {entry.tables[0]: entry.rows for entry in TASKS.values() if len(entry.tables) == 1}
    if ref in alone:
        return alone[ref]
    others = [table for table in task.tables if table not in alone]
    rest = task.rows - sum(alone[table] for table in task.tables if table in alone)
    share, extra = divmod(rest, len(others))
    return share + extra * (ref == others[0])


def _evaluated(manifest: Manifest) -> Iterator[Need]:
    chosen = [pair for target in manifest.targets for pair in sets_of(target)]
    yield from _of_sets(manifest, [*chosen, *retrieval_sets(manifest.retrieval)])


def _of_sets(manifest: Manifest, sets: Iterable[AskedSet]) -> Iterator[Need]:
    for asked in sets:
        entry = asked.entry
        place = manifest.evaluation_data.get(entry.name)
        for language in asked.languages:
            ref = set_table(manifest, entry, language)
            yield Need(
                ref, entry.name, entry.family, entry.labels, False, entry.rows, entry.tokens, place
            )  # fmt: skip
