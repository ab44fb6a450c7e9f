"""The strong control as a table: each recipe of a target beside the manifest's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from xtl.analysis.summary import ENGLISH, LOW, OWN_RECIPE, WITHOUT_ENGLISH, series
from xtl.report.data import ReportData
from xtl.report.numbers import count, metric_name
from xtl.report.tables import shown
from xtl.report.views import NO_POINT, Point, Points, points
from xtl.sweep.cells import recipe_name
from xtl.sweep.choices import TargetChoice
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tasks.entries import EvaluationSet

_GROUPS = {LOW: "low-resource", WITHOUT_ENGLISH: "mean without en"}
_NAMES = {**_GROUPS, ENGLISH: "English"}

Place = tuple[str, str, int]
"""(task, size's label, resolved count) of an intermediate training."""

Levels = Mapping[tuple[str, str], Points]
"""(task, recipe) → points."""


@dataclass(frozen=True)
class RecipeRow:
    """`best`: by held-out English, at its size."""

    best: bool
    cells: list[str]


@dataclass(frozen=True)
class SizeBlock:
    """All recipes after one intermediate training."""

    title: str
    rows: list[RecipeRow]


@dataclass(frozen=True)
class ControlTable:
    title: str
    headings: list[str]
    blocks: list[SizeBlock]


def control_tables(table: pd.DataFrame, data: ReportData) -> list[ControlTable]:
    """A table a target of the strong control; none where the manifest has no control."""
    control = data.manifest.strong_control
    if control is None:
        return []
    arm = table[table["arm"] == control.arm]
    chosen = [choice for choice in data.manifest.targets if choice.task in control.targets]
    return [_of_target(arm[arm["target"] == choice.task], data, choice) for choice in chosen]


def _of_target(rows: pd.DataFrame, data: ReportData, choice: TargetChoice) -> ControlTable:
    main = EVALUATION_SETS[choice.entry.evaluation_sets[0]]
    held_out = EVALUATION_SETS[f"{choice.trained.name}-held-out"]
    scored, chosen_by = _headline(rows, main), _headline(rows, held_out)
    scores = _Scores(
        recipes=[str(recipe) for recipe in chosen_by["recipe"].unique()],
        own=recipe_name(choice.epochs, choice.recipe.learning_rate),
        held_out=_levels(chosen_by),
        main=_levels(scored),
    )
    metric = metric_name(held_out.headline)
    return ControlTable(
        f"{metric_name(main.headline)} on {main.name}",
        ["recipe", f"held-out English, {metric}", *(_NAMES[name] for name in scores.groups)],
        [
            SizeBlock(_title(place), scores.at(place))
            for place in _places(chosen_by, data.manifest.labels)
        ],
    )


def _headline(rows: pd.DataFrame, entry: EvaluationSet) -> pd.DataFrame:
    return rows[(rows["set"] == entry.name) & (rows["metric"] == entry.headline)]


def _levels(rows: pd.DataFrame) -> Levels:
    return {
        (str(task), str(recipe)): points(series(curve, str(recipe)))
        for (task, recipe), curve in rows.groupby(["task", "recipe"], sort=False)
    }


def _places(rows: pd.DataFrame, tasks: list[str]) -> list[Place]:
    """Size 0 once, as all tasks share it; then each task's sizes by their counts."""
    distinct = rows[["task", "size", "examples"]].drop_duplicates()
    places = [(str(task), str(size), int(n)) for task, size, n in distinct.itertuples(index=False)]
    above = [place for place in places if place[2]]
    return [
        *[place for place in places if not place[2]][:1],
        *sorted(above, key=lambda place: (tasks.index(place[0]), place[2])),
    ]


def _title(place: Place) -> str:
    task, size, examples = place
    return f"after {task} {size} ({count(examples)} examples)" if examples else "size 0"


@dataclass(frozen=True)
class _Scores:
    """One target's, by the control's recipes in their order; `own` names the manifest's."""

    recipes: list[str]
    own: str
    held_out: Levels
    main: Levels

    @property
    def groups(self) -> list[str]:
        """Those that the target's languages have; English where it is alone."""
        there = {name for found in self.main.values() for name, _ in found}
        return [name for name in _GROUPS if name in there] or [ENGLISH]

    def at(self, place: Place) -> list[RecipeRow]:
        """The manifest's own recipe, which has no held-out score, then the control's."""
        best = self._best(place)
        rows = [RecipeRow(False, self._cells(place, OWN_RECIPE, f"{self.own}, the manifest's own"))]
        for recipe in self.recipes:
            name = f"{recipe}, best" if recipe in best else recipe
            rows.append(RecipeRow(recipe in best, self._cells(place, recipe, name)))
        return rows

    def _cells(self, place: Place, recipe: str, name: str) -> list[str]:
        held_out = _point(self.held_out, place, recipe, ENGLISH)
        groups = [_point(self.main, place, recipe, group) for group in self.groups]
        return [name, *map(shown, (held_out, *groups))]

    def _best(self, place: Place) -> set[str]:
        """The recipe, or those that tie, with the highest held-out mean that there is."""
        found = {each: _point(self.held_out, place, each, ENGLISH).mean for each in self.recipes}
        means = {recipe: mean for recipe, mean in found.items() if not math.isnan(mean)}
        highest = max(means.values(), default=math.nan)
        return {recipe for recipe, mean in means.items() if mean == highest}


def _point(levels: Levels, place: Place, recipe: str, name: str) -> Point:
    task, size, _ = place
    return levels.get((task, recipe), {}).get((name, size), NO_POINT)
