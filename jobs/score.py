"""`xtl score`: a folder of predictions in XTREME's layout, scored as XTREME's evaluate.py does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.columns import plain_table
from jobs.options import Json, NothingToDry, print_json
from xtl.analysis.xtreme.averages import ENGLISH, GROUPS, SCORED_BY, Averages
from xtl.analysis.xtreme.folders import Scores, score_folders
from xtl.analysis.xtreme.scoring import Score
from xtl.report.numbers import ABSENT, plural
from xtl.tasks.catalogue import EVALUATION_SETS

Predictions = Annotated[
    Path, typer.Option("--predictions", help="Their folder: TASK/test-LANGUAGE.tsv or .json.")
]
Labels = Annotated[
    Path, typer.Option("--labels", help="The folder of the right answers, likewise.")
]
Task = Annotated[
    list[str] | None, typer.Option("--task", help="This task alone; may be said again.")
]
Language = Annotated[
    list[str] | None, typer.Option("--language", help="This language alone; may be said again.")
]

_HEADINGS = {
    "exact_match": "EM",
    "f1": "F1",
    "exact_match_unicode": "EM, Unicode",
    "f1_unicode": "F1, Unicode",
}


def score(
    predictions: Predictions,
    labels: Labels,
    task: Task = None,
    language: Language = None,
    dry_run: NothingToDry = False,
    json: Json = False,
) -> None:
    """Score predictions in XTREME's files, task by task, language by language.

    A task or a language of which a file is missing is left out, and said.
    """
    found = score_folders(predictions, labels, task or (), language or ())
    if json:
        print_json(_data(found))
        return
    console = Console(highlight=False)
    for name, languages in found.languages.items():
        console.print(Text(name, style="bold"))
        console.print(_languages(languages), "")
    console.print(Text("XTREME's averages", style="bold"))
    console.print(_averages(found), "")
    for line in (*_unmatched(found), *_left_out(found)):
        console.print(Text(line))


def _data(found: Scores) -> dict[str, Any]:
    own = found.averages
    return {
        "tasks": {
            task: {
                "score": own.tasks[task],
                "score_without_english": own.tasks_without_english.get(task),
                "languages": {code: vars(each) for code, each in languages.items()},
            }
            for task, languages in found.languages.items()
        },
        "groups": own.groups,
        "overall": own.overall,
        "missing": own.missing,
        "absent": [
            {"task": pair.task, "language": pair.language, "files": pair.absent()}
            for pair in found.absent
        ],
    }


def _languages(scores: Mapping[str, Score]) -> Table:
    """A row a language, and their means, of one task."""
    metrics = list(next(iter(scores.values())).metrics)
    headings = [_HEADINGS.get(metric, metric.replace("_", " ")) for metric in metrics]
    table = plain_table("language", right=("examples", *headings), wrap=True)
    for code, each in scores.items():
        table.add_row(code, f"{each.examples:,}", *_numbers(each.metrics.values()))
    others = [each for code, each in scores.items() if code != ENGLISH]
    for name, members in (("mean", list(scores.values())), ("without en", others)):
        if members and (name == "mean" or len(members) < len(scores)):
            means = [fmean(each.metrics[metric] for each in members) for metric in metrics]
            table.add_row(name, "", *_numbers(means), style="bold")
    return table


def _averages(found: Scores) -> Table:
    """Groups and their tasks, of those that were asked for, and all nine."""
    own, chosen = found.averages, {*found.languages, *(pair.task for pair in found.absent)}
    table = plain_table("", right=("score", "without en", "languages"), wrap=True)
    for group, tasks in GROUPS.items():
        for task in tasks:
            if task in chosen:
                scores = (own.tasks.get(task), own.tasks_without_english.get(task))
                table.add_row(f"  {task}", *_numbers(scores), _count(own, task))
        if chosen.intersection(tasks):
            table.add_row(group, *_numbers([own.groups[group]]), style="bold")
    table.add_row("all nine", *_numbers([own.overall]), style="bold")
    return table


def _count(own: Averages, task: str) -> str:
    wanted = len(EVALUATION_SETS[task].languages)
    there = wanted - len(own.missing.get(task, ()))
    return f"{there} of {wanted}"


def _numbers(values: Iterable[float | None]) -> Iterator[str]:
    """As evaluate.py writes them, with two decimals."""
    return (ABSENT if value is None else f"{value:.2f}" for value in values)


def _unmatched(found: Scores) -> Iterator[str]:
    """Questions without a prediction, and predictions without a question."""
    for task, languages in found.languages.items():
        for code, each in languages.items():
            if each.unanswered:
                verbs = ("has", "scores") if each.unanswered == 1 else ("have", "score")
                asked = f"{each.unanswered:,} of {plural(each.examples, 'question')}"
                yield f"{task}, {code}: {asked} {verbs[0]} no prediction and {verbs[1]} 0."
            if each.unknown:
                verb = "is for an id" if each.unknown == 1 else "are for ids"
                told = f"{plural(each.unknown, 'prediction')} {verb}"
                yield f"{task}, {code}: {told} that the labels do not have, and left out."


def _left_out(found: Scores) -> Iterator[str]:
    """What was missing, alike languages of a task in one line."""
    order = list(SCORED_BY)
    alike = sorted(found.absent, key=lambda pair: (order.index(pair.task), pair.absent()))
    for (task, sides), group in groupby(alike, key=lambda pair: (pair.task, pair.absent())):
        codes = [pair.language for pair in group]
        whole = len(codes) == len(EVALUATION_SETS[task].languages)
        which = f"all {len(codes)} languages" if whole else ", ".join(codes)
        yield f"{task}: left out for want of {' and '.join(sides)}: {which}."
    if any(score is None for score in (found.averages.overall, *found.averages.groups.values())):
        yield "A group's mean, and that of all nine, needs every language of its tasks."
