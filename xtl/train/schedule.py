"""The learning rate's course, as a factor of its peak."""

from __future__ import annotations

import math


def linear_factor(update: int, updates: int, warmup_fraction: float) -> float:
    """Factor for update `update`, counted from 0: linear warm-up to 1, then linear decay to 0.

    The field's usual one (`get_linear_schedule_with_warmup` of transformers), the warm-up rounded
    up as there: the first update's rate is 0 if there is a warm-up at all.
    """
    warmup = math.ceil(warmup_fraction * updates)
    if update < warmup:
        return update / warmup
    return max(0.0, (updates - update) / max(1, updates - warmup))
