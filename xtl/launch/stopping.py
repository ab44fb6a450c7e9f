"""A request to stop: a signal sets a flag and nothing else, as a save takes all ranks."""

from __future__ import annotations

import signal
import time
from types import FrameType

import psutil

from xtl.launch.records import FailureClass, Submission

_EARLY_S = 60  # Slurm's clock for time limits may be that much ahead


class StopFlag:
    """Set by SIGUSR2 (Slurm, so long before the time limit, and at preemption where the cluster
    says so) and by SIGTERM (Slurm, at preemption or cancelling; a shutdown; a person)."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @classmethod
    def install(cls) -> StopFlag:
        """Takes the place of submitit's handlers, which would checkpoint on rank 0 alone."""
        flag = cls()
        for number in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, flag._set)
        return flag

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number  # at its limit a job gets SIGTERM after SIGUSR2

    def cause(self, submission: Submission) -> FailureClass:
        """Why it was asked: the signal that Slurm gives before a time limit comes at its time."""
        ran = time.time() - psutil.Process().create_time()
        warned_at = 60 * submission.minutes - submission.signal_seconds
        near = submission.minutes > 0 and ran > warned_at - _EARLY_S
        return "time-limit" if self.signal == signal.SIGUSR2 and near else "preempted"
