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
    ENGLISH: "English", HIGH: "high-resource", WITH_ENGLISH: "mean with en",
    WITHOUT_ENGLISH: "mean without en", GAP: "gap",
}  # fmt: skip
_MAIN = {LOW: "low-resource", WITHOUT_ENGLISH: "mean without en"}


def group_table(views: Sequence[View], view: View) -> tuple[list[str], list[list[str]]]:
    """A row a size: the main group with gain and range, the others, retrieval before and after."""
    main = LOW if view.has(LOW) else WITHOUT_ENGLISH
    columns = [name for name in _COLUMNS if view.has(name) and name != main]
    asked = {
        "retrieval before": beside(views, view, ""),
        "retrieval after": beside(views, view, view.target) if view.target else None,
    }
    retrieval = {heading: other for heading, other in asked.items() if other}
    headings = ["size", "examples", _MAIN[main], "its gain", "its range"]
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


def secondary(table: pd.DataFrame, data: ReportData) -> list[tuple[str, list[list[str]]]]:
    """Metrics beside each set's headline: a title, and rows of size, English, low and high."""
    return [
        (
            view.title,
            [
                [label, *(shown(view.level(name, label)) for name in (ENGLISH, LOW, HIGH))]
                for label, _ in view.sizes
            ],
        )
        for view in make_views(table, data.manifest.primary, headline=False)
    ]


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
        table.rows
        for spec in specs
        if isinstance(spec, EvaluateSpec) and spec.set == set_name
        for language, table in spec.data
        if language == code
    )
    found = next(rows, None) if data.plan.locked else None
    return numbers.ABSENT if found is None else numbers.count(found)
