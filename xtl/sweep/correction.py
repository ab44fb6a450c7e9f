"""The forecast of what is left, corrected by how long finished shards took. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xtl.sweep.shard import Shard, TrainSpec

Kind = tuple[str, str]
"""(stage, task family): what is about equally far from its forecast."""

_BETWEEN = math.log(2.0)  # how far off a forecast is: a factor of 2 is usual
_WITHIN = math.log(1.5)  # how far shards of one kind are apart, before any are seen
_WEIGHT = (_WITHIN / _BETWEEN) ** 2  # of what was believed, in finished shards: about a third
_TRUST = 2.0  # and of the belief in _WITHIN
_LEAST_S = 0.001  # less tells nothing
_TAIL = 1.2816  # standard deviations on either side of 80% of a normal distribution


@dataclass(frozen=True)
class Finished:
    """A shard with a result: device-seconds by the forecast, and in truth."""

    kind: Kind
    said: float
    took: float


@dataclass(frozen=True)
class ToGo:
    """Device-seconds: as the forecast `said`, as finished shards suggest, and a range about that
    in which the truth is to be looked for in four of five cases; `finished`: how many there were.
    """

    said: float = 0.0
    expected: float = 0.0
    low: float = 0.0
    high: float = 0.0
    finished: int = 0


def kind_of(shard: Shard) -> Kind:
    spec = shard.spec
    return shard.stage, spec.parts[0].family if isinstance(spec, TrainSpec) else spec.family


def to_go(left: Iterable[tuple[Kind, float]], finished: Iterable[Finished]) -> ToGo:
    """What `left` (device-seconds by the forecast, one entry a shard) will take.

    Logarithms of ratios, took / said, are partially pooled, kinds within the sweep and the sweep
    towards the forecast: with n finished shards whose sums have the ratio R, and r what was
    believed before,

        ln r_new = (n ln R + w ln r) / (n + w),    w = (s / t)^2,

    from r = 1 for the sweep as a whole, and from the sweep's r for a kind. It is the posterior mean
    of a normal mean under a normal prior (Efron and Morris 1975; Gelman and Hill 2007, chapter 12),
    with standard deviations t = ln 2 between forecasts and s = ln 1.5 between shards of a kind. The
    range is one of 80%: s^2 / (n + w) for what is not known of r, s^2 / m for the m shards left,
    all kinds off to the same side; there s is corrected by what was seen.
    """
    seen = [entry for entry in finished if min(entry.said, entry.took) >= _LEAST_S]
    by_kind: dict[Kind, list[Finished]] = defaultdict(list)
    for entry in seen:
        by_kind[entry.kind].append(entry)
    overall, spread = _pooled(seen, 0.0), _spread(by_kind)
    sums: dict[Kind, list[float]] = defaultdict(list)
    for kind, seconds in left:
        sums[kind].append(seconds)
    said = expected = low = high = 0.0
    for kind, parts in sums.items():
        known = by_kind.get(kind, [])
        likely = sum(parts) * math.exp(_pooled(known, overall))
        width = _TAIL * spread * math.sqrt(1 / (len(known) + _WEIGHT) + 1 / len(parts))
        said, expected = said + sum(parts), expected + likely
        low, high = low + likely * math.exp(-width), high + likely * math.exp(width)
    return ToGo(said, expected, low, high, len(seen))


def _pooled(seen: Sequence[Finished], believed: float) -> float:
    """The logarithm of the ratio, `believed` before these were seen."""
    ratio = _ratio(seen) if seen else 0.0
    return (len(seen) * ratio + _WEIGHT * believed) / (len(seen) + _WEIGHT)


def _ratio(seen: Sequence[Finished]) -> float:
    return math.log(sum(entry.took for entry in seen) / sum(entry.said for entry in seen))


def _spread(by_kind: Mapping[Kind, Sequence[Finished]]) -> float:
    """s: as it was believed, and as shards deviate from the ratio of their kind."""
    deviations = [
        (math.log(entry.took / entry.said) - ratio) ** 2
        for entries in by_kind.values()
        if len(entries) > 1
        for ratio in [_ratio(entries)]
        for entry in entries
    ]
    return math.sqrt((_TRUST * _WITHIN**2 + sum(deviations)) / (_TRUST + len(deviations)))
