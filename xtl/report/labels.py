"""Labels beside the ends of lines: as near to them as they can be without touching."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart within [low, high], nearest to those wanted (least squares).

    The order of the wanted positions is kept, equal ones in the order given. Raises ValueError
    where the labels cannot fit: (n - 1) · gap > high - low.
    """
    if not wanted:
        return []
    room = high - low - (len(wanted) - 1) * gap
    if room < 0:
        raise ValueError(f"{len(wanted)} labels {gap} apart do not fit in {high - low}")
    order = np.argsort(np.asarray(wanted, dtype=float), kind="stable")
    steps = gap * np.arange(len(wanted))
    free = isotonic_regression(np.asarray(wanted, dtype=float)[order] - steps).x
    placed = np.empty(len(wanted))
    placed[order] = np.clip(free, low, low + room) + steps
    return [float(position) for position in placed]
