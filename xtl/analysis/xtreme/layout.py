"""Where XTREME's evaluate.py looks for a task's files: `<folder>/<task>/test-<language>.<suffix>`.

Predictions and labels have the same names, each under a folder of its own. Of the tasks only
PAWS-X is called otherwise there than here: `pawsx`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtl.analysis.xtreme.averages import GROUPS, SCORED_BY
from xtl.errors import UserError
from xtl.tasks.catalogue import EVALUATION_SETS

FOLDERS = {task: task.replace("-", "") for task in SCORED_BY}
"""What XTREME calls the folder of each task."""


@dataclass(frozen=True)
class Pair:
    """The two files of one task in one language; they need not exist."""

    task: str
    language: str
    predictions: Path
    labels: Path

    def absent(self) -> tuple[str, ...]:
        """Which of the two is no file: "predictions", "labels"."""
        sides = {"predictions": self.predictions, "labels": self.labels}
        return tuple(side for side, path in sides.items() if not path.is_file())


def pairs(
    predictions: Path, labels: Path, tasks: Sequence[str], languages: Sequence[str]
) -> Iterator[Pair]:
    """Of the tasks and languages chosen, or of all where none is, in XTREME's order.

    Raises UserError for a task that XTREME does not have, and for a language that none of the
    chosen tasks has.
    """
    chosen = _tasks(tasks)
    _check_languages(chosen, languages)
    for task in chosen:
        folder, suffix = FOLDERS[task], "json" if task in GROUPS["question answering"] else "tsv"
        for language in sorted(EVALUATION_SETS[task].languages):
            if not languages or language in languages:
                name = Path(folder) / f"test-{language}.{suffix}"
                yield Pair(task, language, predictions / name, labels / name)


def _tasks(names: Sequence[str]) -> list[str]:
    known = {folder: task for task, folder in FOLDERS.items()} | {task: task for task in FOLDERS}
    for name in names:
        if name not in known:
            raise UserError(f"--task: found {name!r}, expected one of {', '.join(FOLDERS)}")
    chosen = {known[name] for name in names}
    return [task for task in FOLDERS if not chosen or task in chosen]


def _check_languages(tasks: Collection[str], languages: Sequence[str]) -> None:
    known = {language for task in tasks for language in EVALUATION_SETS[task].languages}
    for language in languages:
        if language not in known:
            raise UserError(
                f"--language: found {language!r}, expected one of {', '.join(sorted(known))}"
            )
