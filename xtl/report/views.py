"""Views: what is shown of one curve over sizes, the same for the terminal, pictures and HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from xtl.analysis.summary import (
    CURVE,
    ENGLISH,
    GROUPS,
    HIGH,
    LOW,
    OWN_RECIPE,
    WITHOUT_ENGLISH,
    gains,
    members,
    over_replicates,
    series,
    sizes,
)
from xtl.report.numbers import capital, metric_name
from xtl.sweep.choices import UNTRAINED, Primary
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tasks.languages import language, low_resource


@dataclass(frozen=True)
class Point:
    """One series at one size: mean and range over the replicates that are there."""

    mean: float
    minimum: float
    maximum: float
    runs: int
    planned: int

    @property
    def partial(self) -> bool:
        return 0 < self.runs < self.planned


NO_SCORES = ("threshold",)
"""Figures of an evaluation that are no score of it: what was tuned."""

NO_POINT = Point(math.nan, math.nan, math.nan, 0, 0)

Points = Mapping[tuple[str, str], Point]
"""(series, size's label) → point."""


@dataclass(frozen=True)
class View:
    """A set's headline metric after one task, under one arm, on the way to one target.

    sizes: (label, resolved count), by count, 0 first
    languages: lowest CC-100 size first, English last
    """

    task: str
    arm: str
    target: str
    set: str
    metric: str
    sizes: tuple[tuple[str, int], ...]
    languages: tuple[str, ...]
    levels: Points
    gains: Points

    @property
    def retrieval(self) -> bool:
        """Whether the set is run on any checkpoint: sentences to be found, or mined."""
        return EVALUATION_SETS[self.set].family in UNTRAINED

    @property
    def english_alone(self) -> bool:
        return self.languages == (ENGLISH,)

    @property
    def metric_name(self) -> str:
        return metric_name(self.metric)

    @property
    def title(self) -> str:
        path = f"{self.task} → {self.target}" if self.target else self.task
        return f"{capital(self.metric_name)} on {self.set} ({path}, arm {self.arm})"

    @property
    def empty(self) -> bool:
        return not any(point.runs for point in self.levels.values())

    @property
    def partial(self) -> bool:
        return any(point.partial for point in self.levels.values())

    @property
    def key(self) -> str:
        return "-".join(filter(None, [self.task, self.arm, self.target, self.set, self.metric]))

    def level(self, name: str, size: str) -> Point:
        return self.levels.get((name, size), NO_POINT)

    def gain(self, name: str, size: str) -> Point:
        return self.gains.get((name, size), NO_POINT)

    def has(self, name: str) -> bool:
        return any(series == name for series, _ in self.levels)

    def group(self, name: str) -> list[str]:
        return members(name, self.languages)

    @property
    def largest(self) -> tuple[str, int] | None:
        """The largest size at which there are gains."""
        found = [
            pair
            for pair in self.sizes
            if any(self.gain(code, pair[0]).runs for code in self.languages)
        ]
        return found[-1] if found else None

    @property
    def main_group(self) -> str:
        """The one series that stands for the curve, with its range and gain."""
        return next(name for name in (LOW, WITHOUT_ENGLISH, ENGLISH) if self.has(name))

    @property
    def main(self) -> list[str]:
        """The groups that stand for the curve: both means and English, or what there is of it."""
        found = [name for name in (LOW, HIGH, ENGLISH) if self.has(name)]
        return found or [WITHOUT_ENGLISH]


def make_views(
    table: pd.DataFrame, primary: Primary | None, *, headline: bool = True
) -> list[View]:
    """A view of each curve, the primary's first and retrieval last.

    Of each set's headline metric, or of all its other metrics. The strong control has none.
    """
    table = table[(table["recipe"] == OWN_RECIPE) & ~table["metric"].isin(NO_SCORES)]
    is_headline = pd.Series(
        [
            metric == EVALUATION_SETS[name].headline
            for name, metric in zip(table["set"], table["metric"], strict=True)
        ],
        index=table.index,
        dtype=bool,
    )
    chosen = table[is_headline == headline]
    views = [_view(curve) for _, curve in chosen.groupby(CURVE, sort=False)]
    return sorted(views, key=lambda view: _rank(view, primary))


def _rank(view: View, primary: Primary | None) -> tuple[bool, bool, bool]:
    """Retrieval after the rest, there before target training first."""
    after = view.retrieval and bool(view.target)
    return view.retrieval, after, not view.retrieval and not _is_primary(view, primary)


def _is_primary(view: View, primary: Primary | None) -> bool:
    if primary is None:
        return True
    return (view.task, view.arm, view.target) == (primary.task, primary.arm, primary.target)


def _view(curve: pd.DataFrame) -> View:
    chains = series(curve)
    place = {column: str(curve[column].iloc[0]) for column in CURVE}
    return View(
        **place,
        sizes=tuple(sizes(curve)),
        languages=tuple(by_resource([str(code) for code in curve["language"].unique()])),
        levels=points(chains),
        gains=points(gains(chains)),
    )


def by_resource(codes: Sequence[str]) -> list[str]:
    """Languages by the size of their CC-100 text, smallest first, English last."""
    return sorted(codes, key=lambda code: (code == ENGLISH, language(code).cc100_gib or 0, code))


def points(chains: pd.DataFrame) -> dict[tuple[str, str], Point]:
    """(series, size's label) → point, of one curve's chains."""
    return {
        (row["series"], row["size"]): Point(
            row["mean"], row["minimum"], row["maximum"], int(row["runs"]), int(row["planned"])
        )
        for row in over_replicates(chains).to_dict("records")
    }


def beside(views: Sequence[View], view: View, target: str) -> list[View]:
    """The retrieval curves of the same task and arm: before (target "") or after a target."""
    return [
        other
        for other in views
        if other.retrieval
        and (other.task, other.arm, other.target) == (view.task, view.arm, target)
    ]


SERIES_NAMES = {LOW: "Low-resource", HIGH: "High-resource", WITHOUT_ENGLISH: "Mean"}


def series_name(name: str) -> str:
    """A language's English name, or a group's."""
    return SERIES_NAMES[name] if name in SERIES_NAMES else language(name).name


def is_low(name: str) -> bool:
    """Whether a series is of low-resource languages."""
    return name == LOW or (name not in GROUPS and name != ENGLISH and low_resource(name))
