"""The collector's core: the table of a sweep, built from its W&B runs, and checked against results.

The table joins on the plan's cells, so a shard that several cells share (size 0 belongs to every
task) stands once for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xtl.sweep.cells import Cell
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tracking.record import RunRecord

COLUMNS = (
    "task", "size", "examples", "arm", "seed", "target", "recipe", "set", "language", "metric",
    "value", "shard", "name", "attempt", "source",
)  # fmt: skip

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Shard id → language → metric → value, as the result files have it."""

_PREFIX = "eval/"
_TOLERANCE = 1e-9  # both sides write a float's shortest form: more than this is another number


def build_table(plan: Plan, runs: Mapping[str, RunRecord]) -> pd.DataFrame:
    """A row for each cell × evaluation set × language × metric, in the plan's order.

    `runs` is by shard id. `value` is in percent, NaN where the run is missing or does not say;
    then the set's metrics are those that other runs of the set logged, or its headline alone.
    `target` is "" for the intermediate checkpoint itself, `recipe` where it is the manifest's own:
    the rows of any other are the strong control's, and no curve's. `attempt` is 0 and `source` ""
    where there is no run. `name` is the shard's name for people.
    """
    metrics = _metrics_by_set(plan, runs)
    rows = [
        row
        for cell in plan.cells
        for name, shard in cell.evaluations
        for row in _rows(plan, cell, name, shard, metrics[name], runs.get(shard))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"examples": int, "seed": int, "attempt": int, "value": float})


def _rows(
    plan: Plan, cell: Cell, set_name: str, shard: str, metrics: tuple[str, ...],
    run: RunRecord | None,
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    place = (
        cell.task, cell.size, cell.examples, cell.arm, cell.seed, cell.target or "", cell.recipe,
        set_name,
    )  # fmt: skip
    origin = (shard, plan.shards[shard].name, run.attempt if run else 0, run.source if run else "")
    values = evaluations(run) if run else {}
    for language in _languages(plan, shard):
        for metric in metrics:
            yield (*place, language, metric, values.get((language, metric), math.nan), *origin)


def evaluations(run: RunRecord) -> dict[tuple[str, str], float]:
    """(language, metric) → value in percent, from the summary's `eval/<language>/<metric>`."""
    found = {}
    for key, value in run.summary.items():
        language, separator, metric = key.removeprefix(_PREFIX).partition("/")
        if key.startswith(_PREFIX) and separator and _is_number(value):
            found[language, metric] = float(value)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _languages(plan: Plan, shard: str) -> tuple[str, ...]:
    spec = plan.shards[shard].spec
    assert isinstance(spec, EvaluateSpec)
    return spec.languages


def _metrics_by_set(plan: Plan, runs: Mapping[str, RunRecord]) -> dict[str, tuple[str, ...]]:
    """Each set's metrics: its headline first, then all that its runs logged, by name."""
    found: dict[str, set[str]] = {}
    for name, shard in dict.fromkeys(pair for cell in plan.cells for pair in cell.evaluations):
        languages = _languages(plan, shard)
        logged = evaluations(runs[shard]) if shard in runs else {}
        found.setdefault(name, set()).update(
            metric for language, metric in logged if language in languages
        )
    return {name: _headline_first(name, metrics) for name, metrics in found.items()}


def _headline_first(set_name: str, metrics: set[str]) -> tuple[str, ...]:
    headline = EVALUATION_SETS[set_name].headline
    return (headline, *sorted(metrics - {headline}))


@dataclass(frozen=True)
class Difference:
    """Where W&B and a result file disagree about a shard; one that is absent is None.

    `language` and `metric` are "" where all values of one side are missing; the other is then NaN.
    """

    shard: str
    name: str
    language: str
    metric: str
    run: float | None
    result: float | None

    def __str__(self) -> str:
        if not self.language:
            has, lacks = "the result file", "W&B"
            if self.run is not None:
                has, lacks = lacks, has
            return f"{self.name} [{self.shard}]: {has} has an evaluation, {lacks} has none"
        where = f"{self.name} [{self.shard}], {self.language} {self.metric}"
        return f"{where}: W&B has {_shown(self.run)}, the result file {_shown(self.result)}"


def compare(table: pd.DataFrame, results: Results) -> list[Difference]:
    """Where the table and the result files differ, in the table's order; empty is agreement.

    A value that neither has is no difference (a shard that has not run), nor is a result of a
    shard that the table does not hold (a training, or another plan's).
    """
    differences = []
    for shard, rows in table.drop_duplicates(["shard", "language", "metric"]).groupby(
        "shard", sort=False
    ):
        differences += _compare_shard(str(shard), rows, results.get(str(shard)))
    return differences


def _compare_shard(
    shard: str, rows: pd.DataFrame, result: Mapping[str, Mapping[str, float]] | None
) -> list[Difference]:
    name = str(rows["name"].iloc[0])
    run = {
        (str(language), str(metric)): float(value)
        for language, metric, value in zip(
            rows["language"], rows["metric"], rows["value"], strict=True
        )
        if not math.isnan(value)
    }
    if result is None:
        return [Difference(shard, name, "", "", math.nan, None)] if run else []
    if not run and result:
        return [Difference(shard, name, "", "", None, math.nan)]
    filed = {(code, metric): v for code, values in result.items() for metric, v in values.items()}
    filed = {key: value for key, value in filed.items() if not math.isnan(value)}
    return [
        Difference(shard, name, *key, run.get(key), filed.get(key))
        for key in dict.fromkeys([*run, *filed])
        if not _equal(run.get(key), filed.get(key))
    ]


def _equal(run: float | None, result: float | None) -> bool:
    if run is None or result is None:
        return False
    return math.isclose(run, result, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.10g}"
