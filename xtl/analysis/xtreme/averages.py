"""XTREME's averages: of a task over its languages, of a group over its tasks, and of all nine.

A task's score is the unweighted mean over languages, English included, of its metric; of question
answering that is the mean of exact match and F1 (Hu et al. 2020, and the benchmark's evaluate.py).
TyDi QA's authors leave English out of theirs (Clark et al. 2020), so the same without English
stands beside it. Scores are in percent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from xtl.tasks.catalogue import EVALUATION_SETS

ENGLISH = "en"

GROUPS: dict[str, tuple[str, ...]] = {
    "classification": ("xnli", "paws-x"),
    "structured prediction": ("udpos", "panx"),
    "question answering": ("xquad", "mlqa", "tydiqa"),
    "retrieval": ("bucc2018", "tatoeba"),
}
"""Which tasks each group is the mean of."""

_QA = ("exact_match", "f1")

SCORED_BY: dict[str, tuple[str, ...]] = {
    "xnli": ("accuracy",),
    "paws-x": ("accuracy",),
    "udpos": ("f1",),
    "panx": ("f1",),
    "xquad": _QA,
    "mlqa": _QA,
    "tydiqa": _QA,
    "bucc2018": ("f1",),
    "tatoeba": ("accuracy",),
}
"""The nine tasks, and the metrics whose mean is a task's score for one language."""

Languages = Mapping[str, Mapping[str, float]]
"""Language → metric → percent."""


@dataclass(frozen=True)
class Averages:
    """Scores in percent. `tasks` are means over the languages that there are; a group, and
    `overall`, is None while any of its tasks lacks a language, all of which `missing` names.
    """

    tasks: Mapping[str, float]
    tasks_without_english: Mapping[str, float]
    groups: Mapping[str, float | None]
    overall: float | None
    missing: Mapping[str, tuple[str, ...]]


def task_score(task: str, metrics: Languages, english: bool = True) -> float | None:
    """A task's score over all languages given, or over all but English.

    Languages without the task's metrics are left out. None if no language is left, or if the task
    is none of XTREME's nine.
    """
    scores = _scored(task, metrics)
    return _mean(score for code, score in scores.items() if english or code != ENGLISH)


def averages(scores: Mapping[str, Languages]) -> Averages:
    """All averages of task → language → metric → percent. Other tasks than the nine, and other
    languages than XTREME's, are left out: they must not move what is compared with its tables.
    """
    own = {task: _own(task, scores.get(task, {})) for task in SCORED_BY}
    missing = {task: _missing(task, metrics) for task, metrics in own.items()}
    tasks = {task: task_score(task, metrics) for task, metrics in own.items()}
    others = {task: task_score(task, metrics, english=False) for task, metrics in own.items()}
    whole = {task: score for task, score in _there(tasks).items() if not missing[task]}
    return Averages(
        tasks=_there(tasks),
        tasks_without_english=_there(others),
        groups={name: _mean_of_all(whole, members) for name, members in GROUPS.items()},
        overall=_mean_of_all(whole, SCORED_BY),
        missing={task: codes for task, codes in missing.items() if codes},
    )


def _own(task: str, metrics: Languages) -> Languages:
    known = EVALUATION_SETS[task].languages
    return {code: values for code, values in metrics.items() if code in known}


def _missing(task: str, metrics: Languages) -> tuple[str, ...]:
    scored = _scored(task, metrics)
    return tuple(code for code in EVALUATION_SETS[task].languages if code not in scored)


def _scored(task: str, metrics: Languages) -> dict[str, float]:
    names = SCORED_BY.get(task, ())
    return {
        code: fmean(values[name] for name in names)
        for code, values in metrics.items()
        if names and all(name in values for name in names)
    }


def _there(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: score for name, score in scores.items() if score is not None}


def _mean(scores: Iterable[float]) -> float | None:
    found = list(scores)
    return fmean(found) if found else None


def _mean_of_all(scores: Mapping[str, float], names: Iterable[str]) -> float | None:
    wanted = list(names)
    return fmean(scores[name] for name in wanted) if set(wanted) <= set(scores) else None
