"""fp16's loss scale: DeepSpeed lowers it where a gradient overflows; here it is raised again.

DeepSpeed 0.19 raises it in the middle of a step, between measuring gradients and dividing them by
it, and so takes that update with gradients of half their size: its own window is never reached.
The scale is kept in DeepSpeed's state, which is part of every checkpoint.
"""

from __future__ import annotations

from typing import Any

WINDOW = 1000
"""Updates taken in a row after which the scale is doubled: DeepSpeed's usual number."""

LEAST = 1.0
"""An overflow at this scale is the model's own: nothing smaller would help."""

SETTINGS = {
    "enabled": True,
    "initial_scale_power": 16,
    "hysteresis": 1,  # the first overflow already lowers it
    "min_loss_scale": int(LEAST),
    "loss_scale_window": 2**62,
}
"""DeepSpeed's `fp16`."""


class LossScale:
    """That of one DeepSpeed optimiser."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        if hasattr(optimizer, "loss_scaler"):  # ZeRO: what is no result but an end is told by us
            optimizer.loss_scaler.raise_error_at_min_scale = False

    @property
    def value(self) -> float:
        return float(self._state.cur_scale)

    def rise(self) -> None:
        """After an update that was taken: twice the scale, where it is the last of a window."""
        state = self._state
        taken = state.cur_iter - state.last_overflow_iter - 1
        if taken > 0 and taken % WINDOW == 0:
            state.cur_scale *= 2

    @property
    def _state(self) -> Any:
        """ZeRO has a scaler, which a checkpoint replaces; without ZeRO there is a configuration."""
        scaler = getattr(self._optimizer, "loss_scaler", None)
        return self._optimizer.loss_scale_config if scaler is None else scaler
