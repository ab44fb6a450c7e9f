"""The tables of a page, as headings and rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from xtl.analysis.summary import ENGLISH, GAP, HIGH, LOW, WITH_ENGLISH, WITHOUT_ENGLISH
from xtl.report import numbers
from xtl.report.data import ReportData
from xtl.report.views import Point, View, beside, make_views, series_name
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.languages import language

_COLUMNS = {
    LOW: "low-resource", ENGLISH: "English", HIGH: "high-resource", WITH_ENGLISH: "mean with en",
    WITHOUT_ENGLISH: "mean without en", GAP: "gap",
}  # fmt: skip
_LEVELS = (ENGLISH, LOW, HIGH, WITHOUT_ENGLISH)


def group_table(views: Sequence[View], view: View) -> tuple[list[str], list[list[str]]]:
    """A row a size: the main group with gain and range, the others, retrieval before and after."""
    main = view.main_group
    columns = [name for name in _COLUMNS if view.has(name) and name not in (main, *_same(view))]
    retrieval = {f"{other.set} before": other for other in beside(views, view, "")}
    if view.target:
        retrieval |= {f"{other.set} after": other for other in beside(views, view, view.target)}
    headings = ["size", "examples", _COLUMNS[main], "its gain", "its range"]
    headings += [*(_COLUMNS[name] for name in columns), *retrieval]
    rows = [
        [
            label,
            numbers.count(examples),
            shown(view.level(main, label)),
            numbers.signed(view.gain(main, label).mean),
            _range(view.level(main, label)),
            *(shown(view.level(name, label)) for name in columns),
            *(shown(other.level(WITHOUT_ENGLISH, label)) for other in retrieval.values()),
        ]
        for label, examples in view.sizes
    ]
    return headings, rows


def _same(view: View) -> tuple[str, ...]:
    """Of one language alone, the means that are that language again."""
    return (WITH_ENGLISH,) if view.english_alone else ()


def language_row(view: View, code: str) -> list[str]:
    """A language's name, its mean at each size, and its gain at the largest."""
    last = view.largest
    gain = numbers.signed(view.gain(code, last[0]).mean) if last else numbers.ABSENT
    return [series_name(code), *(shown(view.level(code, size)) for size, _ in view.sizes), gain]


def shown(point: Point) -> str:
    """The mean, with a star where replicates are missing."""
    return numbers.number(point.mean) + ("*" if point.partial else "")


def _range(point: Point) -> str:
    return numbers.span(point.minimum, point.maximum) if point.runs > 1 else numbers.ABSENT


@dataclass(frozen=True)
class Secondary:
    """A metric beside a set's headline: a row a size, of English and of those groups there are."""

    title: str
    headings: list[str]
    rows: list[list[str]]


def secondary(table: pd.DataFrame, data: ReportData) -> list[Secondary]:
    """Metrics beside each set's headline."""
    views = make_views(table, data.manifest.primary, headline=False)
    return [_secondary(view) for view in views]


def _secondary(view: View) -> Secondary:
    names = [name for name in _LEVELS if view.has(name)]
    rows = [[label, *(shown(view.level(name, label)) for name in names)] for label, _ in view.sizes]
    return Secondary(view.title, ["size", *(_COLUMNS[name] for name in names)], rows)


@dataclass(frozen=True)
class Covariates:
    """What goes together with resource level: headings, and a row a language."""

    headings: list[str]
    rows: list[list[str]]


def covariates(data: ReportData, view: View) -> Covariates:
    (first, _), (last, _) = view.sizes[0], view.sizes[-1]
    rows = [
        [
            language(code).name,
            language(code).script,
            _gib(code),
            _rows(data, view.set, code),
            shown(view.level(code, first)),
            shown(view.level(code, last)),
        ]
        for code in view.languages
    ]
    at = [f"{view.metric_name} at {label}" for label in (first, last)]
    return Covariates(["language", "script", "CC-100, GiB", "evaluation examples", *at], rows)


def _gib(code: str) -> str:
    size = language(code).cc100_gib
    return numbers.ABSENT if size is None else f"{size:.1f}"


def _rows(data: ReportData, set_name: str, code: str) -> str:
    """Evaluation examples of a language, once the lock has counted them."""
    specs = (shard.spec for shard in data.plan.shards.values())
    rows = (
        min(table.rows, spec.examples or table.rows)
        for spec in specs
        if isinstance(spec, EvaluateSpec) and spec.set == set_name
        for language, table in spec.data
        if language == code
    )
    found = next(rows, None) if data.plan.locked else None
    return numbers.ABSENT if found is None else numbers.count(found)
