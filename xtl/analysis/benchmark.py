"""XTREME's scores of a sweep, out of its table: of each task, of each group and of all nine.

What is scored after a target's training is scored after that of its own target, and the two
retrieval tasks before any, as in Phang et al. 2020. Scores are in percent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xtl.analysis.summary import CHAIN, ENGLISH, OWN_RECIPE
from xtl.analysis.xtreme.averages import GROUPS, SCORED_BY, averages
from xtl.tasks.catalogue import EVALUATION_SETS, TARGETS

OVERALL = "average of the nine"
"""The series of the mean over all nine tasks."""

_TARGET_OF = {target.evaluation_sets[0]: target.name for target in reversed(TARGETS.values())}
_CHECKPOINT = ["task", "arm", "size", "examples", "seed"]


def without_english(task: str) -> str:
    """The series of a task's mean over all languages but English."""
    return f"{task} without English"


def scored_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that XTREME's scores are made of."""
    sets, targets, metrics = table["set"], table["target"], table["metric"]
    chosen = [
        name in SCORED_BY and target == _TARGET_OF.get(name, "") and metric in SCORED_BY[name]
        for name, target, metric in zip(sets, targets, metrics, strict=True)
    ]
    is_chosen = pd.Series(chosen, index=table.index, dtype=bool)
    return table[is_chosen & (table["recipe"] == OWN_RECIPE)]


def languages(rows: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The languages that each task is evaluated in, of those that XTREME has."""
    return {
        task: tuple(code for code in EVALUATION_SETS[task].languages if code in planned)
        for task in SCORED_BY
        if (planned := set(rows.loc[rows["set"] == task, "language"]))
    }


def scores(rows: pd.DataFrame, sampled: Collection[str] = ()) -> pd.DataFrame:
    """Columns `CHAIN`, `series`, `value`: every score of each replicate at each size.

    Of `scored_rows`. NaN where a run is missing, and for a group, or the average of the nine, that
    lacks a task or a language, or has one that is `sampled`: asked some of its examples alone.
    """
    found = [
        {**dict(zip(_CHECKPOINT, place, strict=True)), "target": "", "set": "", "metric": ""} | one
        for place, checkpoint in rows.groupby(_CHECKPOINT, sort=False)
        for one in _of(_Checkpoint.read(checkpoint), sampled)
    ]
    return pd.DataFrame(found, columns=[*CHAIN, "series", "value"])


@dataclass(frozen=True)
class _Checkpoint:
    """One replicate at one size: the shard of each task and, where it is whole, its figures."""

    shards: Mapping[str, str]
    languages: Mapping[str, tuple[str, ...]]
    figures: Mapping[str, dict[str, dict[str, float]]]

    @classmethod
    def read(cls, rows: pd.DataFrame) -> _Checkpoint:
        by_task = {str(task): own for task, own in rows.groupby("set", sort=False)}
        whole = {task: own for task, own in by_task.items() if own["value"].notna().all()}
        shards = {task: str(own["shard"].iloc[0]) for task, own in by_task.items()}
        return cls(shards, languages(rows), {task: _figures(own) for task, own in whole.items()})


def _figures(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    columns = (rows["language"], rows["metric"], rows["value"])
    for language, metric, value in zip(*columns, strict=True):
        found.setdefault(str(language), {})[str(metric)] = float(value)
    return found


def _of(checkpoint: _Checkpoint, sampled: Collection[str]) -> Iterator[dict[str, Any]]:
    """Scores that are planned; of groups, those of which any task is."""
    figures, shards = checkpoint.figures, checkpoint.shards
    found = averages(figures)
    whole = averages({task: own for task, own in figures.items() if task not in sampled})
    for task, shard in shards.items():
        spoken, known = checkpoint.languages.get(task, ()), EVALUATION_SETS[task].languages
        if ENGLISH in spoken or ENGLISH not in known:
            yield _score(task, shard, found.tasks.get(task))
        if ENGLISH in known and set(spoken) - {ENGLISH}:
            yield _score(without_english(task), shard, found.tasks_without_english.get(task))
    for name, tasks in GROUPS.items():
        if own := [shards[task] for task in tasks if task in shards]:
            yield _score(name, " ".join(own), whole.groups[name])
    yield _score(OVERALL, " ".join(shards.values()), whole.overall)


def _score(series: str, shard: str, value: float | None) -> dict[str, Any]:
    return {"series": series, "shard": shard, "value": float("nan") if value is None else value}
