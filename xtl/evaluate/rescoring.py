"""A set's metrics computed again from stored predictions and the rows they answer, without a model.

A check on the figures in a result, and the way to a metric that was not thought of at the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xtl.errors import UserError
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.families import evaluable_family
from xtl.tasks.family import Asked, Prediction, Row, example_id

TOLERANCE = 1e-9
"""Relative, and of percents near 0 absolute: the same sum in another order is no difference."""

Metrics = Mapping[str, Mapping[str, float]]
"""Language → metric → percent."""

Verdict = Literal["equal", "differs", "new", "gone"]


@dataclass(frozen=True)
class Figure:
    """One figure of a result, in percent: as it is stored, and computed again.

    None where there is none: a metric that is `new` since, or `gone`, which nothing gives now.
    """

    language: str
    metric: str
    stored: float | None
    again: float | None

    @property
    def verdict(self) -> Verdict:
        if self.stored is None or self.again is None:
            return "new" if self.stored is None else "gone"
        return "equal" if _close(self.stored, self.again) else "differs"

    @property
    def difference(self) -> float | None:
        """Again less stored, in points; None where one of them is missing."""
        if self.stored is None or self.again is None:
            return None
        return self.again - self.stored


def rescore(
    spec: EvaluateSpec, rows: Mapping[str, Sequence[Row]], predictions: Sequence[Prediction]
) -> dict[str, dict[str, float]]:
    """Language → metric → percent, for the languages of `rows`: those that were asked.

    Raises UserError where a language's predictions are not those of its rows, one for each.
    """
    kind = evaluable_family(spec.family)
    by_language: dict[str, list[Prediction]] = {language: [] for language in rows}
    for each in predictions:
        by_language.setdefault(each.language, []).append(each)
    metrics: dict[str, dict[str, float]] = {}
    for language, given in rows.items():
        said = _aligned(language, given, by_language[language])
        metrics[language] = kind.summarise(kind.rescore(given, said, _asked(spec, language)))
    return metrics


def compare(stored: Metrics, again: Metrics) -> list[Figure]:
    """Every figure of either, in the order of the result's languages, what is new last."""
    return [
        Figure(language, metric, _of(stored, language, metric), _of(again, language, metric))
        for language, metric in dict.fromkeys([*_names(stored), *_names(again)])
    ]


def _asked(spec: EvaluateSpec, language: str) -> Asked:
    return Asked(language, spec.decoding, spec.labels)


def _aligned(
    language: str, rows: Sequence[Row], said: Sequence[Prediction]
) -> Sequence[Prediction]:
    """In the rows' order, whatever the file's."""
    wanted = [example_id(row, index) for index, row in enumerate(rows)]
    if [each.example_id for each in said] == wanted:
        return said
    by_id = {each.example_id: each for each in said}
    absent = [name for name in wanted if name not in by_id]
    if absent or not len(by_id) == len(said) == len(wanted):
        raise UserError(
            f"predictions of {language}: found {len(said):,}, expected one for each of "
            f"{len(wanted):,} rows: {len(absent):,} have none"
            + (f" (the first: {absent[0]})" if absent else ", and some have two")
        )
    return [by_id[name] for name in wanted]


def _names(metrics: Metrics) -> Iterator[tuple[str, str]]:
    yield from ((language, metric) for language, values in metrics.items() for metric in values)


def _of(metrics: Metrics, language: str, metric: str) -> float | None:
    return metrics.get(language, {}).get(metric)


def _close(one: float, other: float) -> bool:
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
