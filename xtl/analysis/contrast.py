"""The declared contrast: one figure a replicate chain, then their mean, range and interval.

A chain is all sizes of one replicate. Languages and sizes of one checkpoint share its error, so
a chain gives one figure, and the interval is over chains: Student's t from three chains on.
Evaluation examples are taken as fixed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from xtl.analysis.summary import OWN_RECIPE
from xtl.sweep.choices import Primary
from xtl.tasks.catalogue import TARGETS

Verdict = Literal["positive", "negative", "equivalent", "undecided", "no data"]

CHAINS_FOR_AN_INTERVAL = 3
LEVEL = 0.95
_TOST_LEVEL = 0.90  # two one-sided tests at 5% are a 90% interval inside the margins


@dataclass(frozen=True)
class Contrast:
    """What was declared and what came out, in points of the metric (a decade, for a slope).

    chains: seed → its figure, for the chains that have one
    without: language → the mean over chains when it is left out; empty for a single language
    planned: seed → the resolved counts that the chain should have had
    sizes: seed → those that it had, of the chains that have a figure
    interval: the 95% t interval over chains, None below three chains
    """

    primary: Primary
    set: str
    chains: Mapping[int, float]
    without: Mapping[str, float]
    planned: Mapping[int, tuple[int, ...]]
    sizes: Mapping[int, tuple[int, ...]]
    mean: float
    interval: tuple[float, float] | None
    verdict: Verdict

    @property
    def range(self) -> tuple[float, float]:
        values = list(self.chains.values())
        return (min(values), max(values)) if values else (math.nan, math.nan)

    @property
    def unbalanced(self) -> bool:
        """Whether a chain or a size is missing, so that the mean answers a changed question."""
        return self.sizes != self.planned


def contrast(table: pd.DataFrame, primary: Primary) -> Contrast:
    """The primary contrast of a table (apply `intention_to_treat` first, if it is wanted)."""
    rows = _declared(table, primary)
    by_seed = {int(seed): rows[rows["seed"] == seed] for seed in rows["seed"].unique()}
    by_size = {seed: _by_size(chain, primary) for seed, chain in by_seed.items()}
    values = {seed: _figure(points, primary) for seed, points in by_size.items()}
    chains = {seed: value for seed, value in values.items() if not math.isnan(value)}
    found = list(chains.values())
    return Contrast(
        primary=primary,
        set=primary_set(primary),
        chains=chains,
        without=_leave_one_out(rows, primary),
        planned={
            seed: tuple(sorted(int(count) for count in set(chain["examples"])))
            for seed, chain in by_seed.items()
        },
        sizes={seed: tuple(int(count) for count in by_size[seed].index) for seed in chains},
        mean=_mean(found),
        interval=t_interval(found, LEVEL),
        verdict=_verdict(found, primary.margin),
    )


def primary_set(primary: Primary) -> str:
    """The evaluation set of the contrast: the target's first."""
    return TARGETS[primary.target].evaluation_sets[0]


def t_interval(values: Sequence[float], level: float) -> tuple[float, float] | None:
    """Student's t interval of the mean of independent values; None below three."""
    if len(values) < CHAINS_FOR_AN_INTERVAL:
        return None
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return _mean(values) - reach, _mean(values) + reach


def _declared(table: pd.DataFrame, primary: Primary) -> pd.DataFrame:
    place = {
        "task": primary.task, "arm": primary.arm, "target": primary.target, "recipe": OWN_RECIPE,
        "set": primary_set(primary), "metric": primary.metric,
    }  # fmt: skip
    chosen = table["language"].isin(primary.languages)
    for column, value in place.items():
        chosen &= table[column] == value
    return table[chosen]


def _by_size(chain: pd.DataFrame, primary: Primary) -> pd.Series[float]:
    """Resolved count → mean over the languages; a size that lacks one of them is left out."""
    wide = chain.pivot_table(index="examples", columns="language", values="value", dropna=False)
    return wide.mean(axis=1, skipna=False).dropna().sort_index()


def _figure(points: pd.Series[float], primary: Primary) -> float:
    """One chain's slope a decade among n > 0, or its mean over n > 0 less size 0."""
    above = points[points.index > 0]
    if primary.contrast == "slope":
        return slope(above.index.to_numpy(float), above.to_numpy(float))
    if above.empty or 0 not in points.index:
        return math.nan
    return float(above.mean() - points[0])


def slope(examples: np.ndarray, values: np.ndarray) -> float:
    """Least-squares slope of values a factor of ten in examples; NaN below two sizes."""
    if len(set(examples)) < 2:
        return math.nan
    decades = np.log10(examples) - np.log10(examples).mean()
    return float(decades @ values / (decades @ decades))


def _leave_one_out(rows: pd.DataFrame, primary: Primary) -> dict[str, float]:
    if len(primary.languages) < 2:
        return {}
    return {
        language: _mean(
            [
                _figure(_by_size(chain, primary), primary)
                for _, chain in rows[rows["language"] != language].groupby("seed")
            ]
        )
        for language in primary.languages
    }


def _mean(values: Sequence[float]) -> float:
    present = [value for value in values if not math.isnan(value)]
    return math.fsum(present) / len(present) if present else math.nan


def _verdict(values: Sequence[float], margin: float) -> Verdict:
    """Positive or negative by the 95% interval; equivalent to none by two one-sided tests."""
    interval, tost = t_interval(values, LEVEL), t_interval(values, _TOST_LEVEL)
    if not values:
        return "no data"
    if interval is None or tost is None:
        return "undecided"
    if -margin < tost[0] and tost[1] < margin:
        return "equivalent"
    if interval[0] > 0:
        return "positive"
    return "negative" if interval[1] < 0 else "undecided"
