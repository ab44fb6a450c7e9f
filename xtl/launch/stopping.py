"""A request to stop: a signal sets a flag and nothing else, as a save takes all ranks."""

from __future__ import annotations

import signal
from types import FrameType


class StopFlag:
    """Set by SIGTERM (a person, a shutdown) and SIGUSR2 (submitit: time limit, preemption)."""

    def __init__(self) -> None:
        self.requested = False

    @classmethod
    def install(cls) -> StopFlag:
        """Takes the place of submitit's handlers, which would checkpoint on rank 0 alone."""
        flag = cls()
        for number in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, flag._set)
        return flag

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
