"""Sizes of intermediate data: a percentage of the pool or a count of examples."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_PERCENT = re.compile(r"\d+(\.\d+)?%")


@dataclass(frozen=True)
class Size:
    """`10%` of the pool, or `400` examples; `0` is no intermediate training at all."""

    label: str
    percent: Decimal | None
    count: int | None

    @property
    def none(self) -> bool:
        return self.percent == 0 or self.count == 0

    def examples(self, rows: int) -> int:
        """The count that this size means for a pool of `rows`: at least one unless it is 0."""
        if self.count is not None:
            return self.count
        assert self.percent is not None
        exact = self.percent * rows / 100
        return max(int(exact.quantize(Decimal(1), ROUND_HALF_UP)), 0 if self.none else 1)


def parse_size(value: object) -> Size:
    """Read `0`, `400` or `"10%"`. A bare fraction such as 0.1 is refused: 1 and 1.0 look alike."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Size(str(value), None, value)
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        percent = Decimal(value[:-1])
        if percent <= 100:
            return Size("0" if percent == 0 else f"{percent.normalize():f}%", percent, None)
    raise ValueError("a count of examples (0, 400) or a percentage of the pool up to 100% (10%)")
