"""Offers: what an extension may bring, and how each kind is checked and taken in. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from xtl.errors import UserError
from xtl.tasks.entries import DatasetRef, EvaluationSet, Target, Task
from xtl.tasks.entry_checks import are_names, faults, language_fault
from xtl.tasks.families import MAKERS, MODULES
from xtl.tasks.forms import FORMS, LAYOUTS, OWN_FORM, Form
from xtl.tasks.languages import LANGUAGES, Language
from xtl.tasks.schema import COLUMNS, Kind

Entry = TypeVar("Entry", Task, Target, EvaluationSet)


@dataclass(frozen=True)
class Extension:
    """An installed module that offers something; `name` is its distribution's, with the version."""

    name: str
    offers: Any

    def get(self, kind: str) -> Any:
        return getattr(self.offers, kind, ())

    def fault(self, place: str, words: str) -> UserError:
        return UserError(f"extension {self.name}: {place}: {words}")


@dataclass(frozen=True)
class Catalogue:
    """The catalogue's own dicts, to be added to."""

    tasks: dict[str, Task]
    targets: dict[str, Target]
    evaluation_sets: dict[str, EvaluationSet]
    metrics: dict[str, tuple[str, ...]]
    columns: dict[str, dict[str, Kind]] = field(default_factory=lambda: COLUMNS)
    forms: dict[str, Form] = field(default_factory=lambda: FORMS)
    layouts: list[tuple[str, str, str]] = field(default_factory=lambda: LAYOUTS)
    families: dict[str, str] = field(default_factory=lambda: MODULES)
    makers: dict[str, str] = field(default_factory=lambda: MAKERS)
    languages: dict[str, Language] = field(default_factory=lambda: LANGUAGES)


def _languages(extension: Extension, catalogue: Catalogue) -> None:
    for code, entry in _named(extension, "LANGUAGES").items():
        _require_new(extension, "LANGUAGES", code, catalogue.languages)
        if words := language_fault(code, entry):
            raise extension.fault(f"LANGUAGES: {code}", words)
        catalogue.languages[code] = entry


def _columns(extension: Extension, catalogue: Catalogue) -> None:
    for family, columns in _named(extension, "COLUMNS").items():
        _require_new(extension, "COLUMNS", family, catalogue.columns)
        for column, kind in columns.items():
            _require_known(extension, f"COLUMNS: {family}: {column}", kind, get_args(Kind))
        catalogue.columns[family] = dict(columns)
        own = Form(family, id="" if "id" in columns else "id")
        catalogue.forms.setdefault(f"{OWN_FORM}{family}", own)


def _metrics(extension: Extension, catalogue: Catalogue) -> None:
    for family, names in _named(extension, "METRICS").items():
        _require_new(extension, "METRICS", family, catalogue.metrics)
        if not names or not are_names(tuple(names)) or isinstance(names, str):
            words = f"found {names!r}, expected names of metrics, each once"
            raise extension.fault(f"METRICS: {family}", words)
        catalogue.metrics[family] = tuple(names)


def _families(extension: Extension, catalogue: Catalogue) -> None:
    for family, modules in _named(extension, "FAMILIES").items():
        _require_new(extension, "FAMILIES", family, catalogue.families)
        _require_known(extension, "COLUMNS", family, catalogue.columns)
        _require_known(extension, "METRICS", family, catalogue.metrics)
        catalogue.families[family], catalogue.makers[family] = modules


def _forms(extension: Extension, catalogue: Catalogue) -> None:
    for name, form in _named(extension, "FORMS").items():
        _require_new(extension, "FORMS", name, catalogue.forms)
        _require_known(extension, f"FORMS: {name}: family", form.family, catalogue.columns)
        catalogue.forms[name] = form


def _layouts(extension: Extension, catalogue: Catalogue) -> None:
    for repo, configs, form in extension.get("LAYOUTS"):
        _require_known(extension, f"LAYOUTS: {repo}: form", form, catalogue.forms)
        catalogue.layouts.append((repo, configs, form))


def _tasks(extension: Extension, catalogue: Catalogue) -> None:
    for task in _entries(extension, "TASKS", Task, catalogue.tasks):
        place = f"TASKS: {task.name}"
        _require_known(extension, f"{place}: family", task.family, catalogue.families)
        for table in task.tables:
            _require_form(extension, place, table, task.family, catalogue)
        catalogue.tasks[task.name] = task


def _sets(extension: Extension, catalogue: Catalogue) -> None:
    kind = "EVALUATION_SETS"
    for entry in _entries(extension, kind, EvaluationSet, catalogue.evaluation_sets):
        place = f"{kind}: {entry.name}"
        _require_known(extension, f"{place}: family", entry.family, catalogue.families)
        _require_known(extension, f"{place}: family", entry.family, catalogue.metrics)
        _require_form(extension, place, entry.data, entry.family, catalogue)
        metrics = catalogue.metrics[entry.family]
        _require_known(extension, f"{place}: headline", entry.headline, metrics)
        for code in entry.languages:
            _require_language(extension, place, code, catalogue)
        for code in entry.codes:
            _require_known(extension, f"{place}: codes", code, entry.languages)
        catalogue.evaluation_sets[entry.name] = entry


def _targets(extension: Extension, catalogue: Catalogue) -> None:
    for target in _entries(extension, "TARGETS", Target, catalogue.targets):
        place = f"TARGETS: {target.name}"
        _require_known(extension, f"{place}: task", target.task, catalogue.tasks)
        task = catalogue.tasks[target.task]
        if not target.evaluation_sets:
            raise extension.fault(f"{place}: evaluation_sets", "found none, expected one or more")
        for field_name in ("evaluation_sets", "secondary_sets"):
            for name in getattr(target, field_name):
                _require_set(extension, f"{place}: {field_name}", name, task, catalogue)
        catalogue.targets[target.name] = target


def _require_form(
    extension: Extension, place: str, table: DatasetRef, family: str, catalogue: Catalogue
) -> None:
    _require_known(extension, f"{place}: form", table.form, catalogue.forms)
    found = catalogue.forms[table.form].family
    if found != family:
        words = f"found {table.form!r}, which is of family {found!r}, expected one of {family!r}"
        raise extension.fault(f"{place}: form", words)


def _require_language(extension: Extension, place: str, code: str, catalogue: Catalogue) -> None:
    if code not in catalogue.languages:
        known = ", ".join(catalogue.languages)
        words = f"found {code!r}, expected one that LANGUAGES brings, or one of {known}"
        raise extension.fault(f"{place}: languages", words)


def _require_set(
    extension: Extension, place: str, name: str, task: Task, catalogue: Catalogue
) -> None:
    """A set of the task's family, whose labels, where both name them, are the task's."""
    sets = {key: each for key, each in catalogue.evaluation_sets.items()
            if each.family == task.family}  # fmt: skip
    if not sets:
        words = f"found {name!r}, and no set of family {task.family!r}, expected one"
        raise extension.fault(place, words)
    _require_known(extension, place, name, sets)
    labels = sets[name].labels
    if labels and task.labels and labels != task.labels:
        words = f"labels {', '.join(labels)}, expected task {task.name}'s, {', '.join(task.labels)}"
        raise extension.fault(f"{place}: {name}", f"found {words}")


OFFERS: dict[str, Callable[[Extension, Catalogue], None]] = {
    "LANGUAGES": _languages,
    "COLUMNS": _columns,
    "METRICS": _metrics,
    "FAMILIES": _families,
    "FORMS": _forms,
    "LAYOUTS": _layouts,
    "TASKS": _tasks,
    "EVALUATION_SETS": _sets,
    "TARGETS": _targets,
}


def _named(extension: Extension, kind: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = extension.get(kind) or {}
    return found


def _entries(
    extension: Extension, kind: str, of: type[Entry], known: Mapping[str, Entry]
) -> Iterable[Entry]:
    for entry in extension.get(kind):
        if not isinstance(entry, of):
            found = f"found {type(entry).__name__}, expected {of.__name__}"
            raise extension.fault(kind, found)
        _require_sound(extension, kind, entry)
        _require_new(extension, kind, entry.name, known)
        yield entry


def _require_sound(extension: Extension, kind: str, entry: Task | Target | EvaluationSet) -> None:
    for field_name, words in faults(entry):
        raise extension.fault(f"{kind}: {entry.name}: {field_name}", words)


def _require_new(extension: Extension, kind: str, name: str, known: Iterable[str]) -> None:
    if name in known:
        raise extension.fault(kind, f"found {name}, which is taken, expected a name of its own")


def _require_known(extension: Extension, place: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise extension.fault(place, f"found {name!r}, expected one of {', '.join(known)}")
