"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"
_BROKEN = "×"


def sparkline(values: Sequence[float], width: int) -> str:
    """At most `width` characters, each the mean of as many neighbours, from the least of them to
    the greatest; `×` where one is NaN or infinite."""
    count = min(width, len(values))
    cuts = [round(index * len(values) / count) for index in range(count + 1)] if count else []
    means = [_mean(values[a:b]) for a, b in pairwise(cuts)]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_bar(mean, low, high) for mean in means)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return _BROKEN
    share = (value - low) / (high - low) if high > low else 0.0
    return _BARS[round(share * (len(_BARS) - 1))]
