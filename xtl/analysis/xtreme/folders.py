"""A folder of predictions against a folder of labels: all that is there, scored and averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtl.analysis.xtreme.averages import Averages, averages
from xtl.analysis.xtreme.layout import Pair, pairs
from xtl.analysis.xtreme.scoring import Score, score
from xtl.errors import UserError


@dataclass(frozen=True)
class Scores:
    """`languages` is task → language → score, and `absent` what of the chosen was not there."""

    languages: Mapping[str, Mapping[str, Score]]
    averages: Averages
    absent: tuple[Pair, ...]


def score_folders(
    predictions: Path,
    labels: Path,
    tasks: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> Scores:
    """Every chosen task and language of which both files are there.

    Averages are over all nine tasks: what was not chosen is missing there. Raises UserError if a
    folder or all files are missing, and for the first malformed file.
    """
    for option, folder in (("--predictions", predictions), ("--labels", labels)):
        if not folder.is_dir():
            raise UserError(f"{option}: found no folder {folder}, expected one of XTREME's layout")
    found: dict[str, dict[str, Score]] = {}
    absent: list[Pair] = []
    for pair in pairs(predictions, labels, tasks, languages):
        if pair.absent():
            absent.append(pair)
        else:
            found.setdefault(pair.task, {})[pair.language] = score(pair)
    if not found:
        raise UserError(_nothing(absent[0]))
    return Scores(found, averages(_metrics(found)), tuple(absent))


def _metrics(
    scores: Mapping[str, Mapping[str, Score]],
) -> dict[str, dict[str, Mapping[str, float]]]:
    return {
        task: {language: each.metrics for language, each in own.items()}
        for task, own in scores.items()
    }


def _nothing(first: Pair) -> str:
    sides = " and ".join(str(getattr(first, side)) for side in first.absent())
    return (
        "--predictions, --labels: found no task of which both have a language, expected such as "
        f"{first.predictions} and {first.labels} (of these there is no {sides})"
    )
