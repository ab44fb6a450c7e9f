"""XTREME's averages as a table: each task, its groups, and the mean of all nine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xtl.analysis.benchmark import OVERALL, languages, scored_rows, scores, without_english
from xtl.analysis.summary import ENGLISH, sizes
from xtl.analysis.xtreme.averages import GROUPS, SCORED_BY
from xtl.report.data import ReportData
from xtl.report.numbers import count, listing, metric_name, plural
from xtl.report.views import NO_POINT, Point, Points, points
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.catalogue import EVALUATION_SETS

Kind = Literal["group", "task", "without English", "all"]

TITLE = "XTREME's averages"

HOW = (
    "A task's score is the mean over its languages, English included; of question answering, of "
    "(EM + F1) / 2. It is read after the task's own target training, retrieval before any. "
    "A group is the mean of its tasks."
)


@dataclass(frozen=True)
class Line:
    """A row: what it is of, the languages evaluated of those there are, and its series."""

    kind: Kind
    name: str
    languages: str
    series: str


@dataclass(frozen=True)
class Board:
    """The scores after one intermediate task under one arm.

    `replicates`: how many a mean is of, at most. `missing`: why averages are absent; "" where all
    tasks are whole.
    """

    title: str
    sizes: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]
    levels: Points
    replicates: int
    missing: str

    def level(self, line: Line, size: str) -> Point:
        return self.levels.get((line.series, size), NO_POINT)

    @property
    def partial(self) -> bool:
        return any(point.partial for point in self.levels.values())

    @property
    def means(self) -> str:
        """What a figure is, and what a star says."""
        fewer = "; * fewer than planned" if self.partial else ""
        return f"In %, mean over {plural(self.replicates, 'replicate')}{fewer}."


def boards(table: pd.DataFrame, data: ReportData) -> list[Board]:
    """One for each intermediate task and arm; none where no task of XTREME's is evaluated."""
    rows, sampled = scored_rows(table), _sampled(data)
    return [
        _board(f"{task}, arm {arm}", own, sampled)
        for (task, arm), own in rows.groupby(["task", "arm"], sort=False)
    ]


def _board(title: str, rows: pd.DataFrame, sampled: Mapping[str, int]) -> Board:
    spoken = languages(rows)
    levels = points(scores(rows, sampled))
    return Board(
        title=title,
        sizes=tuple(sizes(rows)),
        lines=tuple(_lines(spoken)),
        levels=levels,
        replicates=max(point.planned for point in levels.values()),
        missing=_missing(spoken, sampled),
    )


def _sampled(data: ReportData) -> dict[str, int]:
    """Sets of which so many examples a language are asked, and not all."""
    specs = (shard.spec for shard in data.plan.shards.values())
    return {
        spec.set: spec.examples
        for spec in specs
        if isinstance(spec, EvaluateSpec) and spec.examples is not None
    }


def _lines(spoken: Mapping[str, Sequence[str]]) -> Iterator[Line]:
    """Groups that have a task here, each with these tasks; last the average of the nine."""
    for group, tasks in GROUPS.items():
        own = [task for task in tasks if task in spoken]
        if own:
            yield Line("group", group, "", group)
        for task in own:
            yield from _task_lines(task, spoken[task])
    yield Line("all", OVERALL, "", OVERALL)


def _task_lines(task: str, spoken: Sequence[str]) -> Iterator[Line]:
    known = EVALUATION_SETS[task].languages
    yield Line("task", f"{task}, {_metric(task)}", f"{len(spoken)} of {len(known)}", task)
    if ENGLISH in known and set(spoken) - {ENGLISH}:
        others = len([code for code in spoken if code != ENGLISH])
        name, series = "without English", without_english(task)
        yield Line("without English", name, f"{others} of {len(known) - 1}", series)


def _metric(task: str) -> str:
    names = [metric_name(metric) for metric in SCORED_BY[task]]
    return names[0] if len(names) == 1 else f"({' + '.join(names)}) / {len(names)}"


def _missing(spoken: Mapping[str, Sequence[str]], sampled: Mapping[str, int]) -> str:
    """Why there is no average: in some languages, or of a sample, or not evaluated at all."""
    some = [
        f"{task} {', '.join(reasons)}"
        for task in spoken
        if (reasons := list(_reasons(task, spoken[task], sampled)))
    ]
    absent = [task for task in SCORED_BY if task not in spoken]
    told = [f"has {'; '.join(some)}"] if some else []
    told += [f"does not have {listing(absent)}"] if absent else []
    needs = "An average needs its tasks whole; this sweep"
    return f"{needs} {', and '.join(told)}." if told else ""


def _reasons(task: str, spoken: Sequence[str], sampled: Mapping[str, int]) -> Iterator[str]:
    known = EVALUATION_SETS[task].languages
    if len(spoken) < len(known):
        yield f"in {len(spoken)} of {len(known)} languages"
    if task in sampled:
        yield f"with {count(sampled[task])} examples of each"
