"""What a training asks of whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Hooks(Protocol):
    """Called on every rank, but for `fence`; only rank 0 is expected to speak to the world."""

    def progress(self, step: int, total: int, values: Mapping[str, float]) -> None:
        """`step` of `total` updates are done; `values` are the last one's, ready to be logged."""

    def saved(self, step: int) -> None:
        """Another attempt would go on from `step`; called first with where this one starts."""

    def stop_requested(self) -> bool:
        """Whether this rank was asked to stop; one such rank stops all at the next update."""

    def fence(self) -> None:
        """Called on rank 0 before anything is committed; raises if a later attempt took over."""
