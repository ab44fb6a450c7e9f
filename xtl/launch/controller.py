"""The process that starts a local job's ranks and waits for them: submitit's, with two more rules.

When a rank ends badly, the others are ended too, as `srun --kill-on-bad-exit` does: a rank that
waits for a dead one to join a process group would wait for half an hour. And the log of a rank that
a signal ended says so, as srun does: it could not, and the others only know that it has gone.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE, Controller

GRACE_S = 15.0
"""For the others to see it and say so themselves."""


class RankController(Controller):
    """Its `run` ends the ranks that are left when `wait` returns."""

    def wait(self, freq: int = 24) -> Sequence[int | None]:
        limit: float | None = None
        while True:
            codes = [task.poll() for task in self.tasks]
            bad = [code for code in codes if code not in (None, 0, LOCAL_REQUEUE_RETURN_CODE)]
            if bad and limit is None:
                limit = time.monotonic() + GRACE_S
                self._tell(codes)
            if None not in codes or (limit is not None and time.monotonic() > limit):
                return codes
            time.sleep(1 / freq)

    def _tell(self, codes: Sequence[int | None]) -> None:
        """Of the first to end: what ends after them ends because of them."""
        for rank, code in enumerate(codes):
            if code is not None and code < 0:
                self._say(rank, ended_by(rank, -code))

    def _say(self, rank: int, line: str) -> None:
        """In the rank's own log."""
        self.stderrs[rank].write(f"{line}\n")
        self.stderrs[rank].flush()


def ended_by(rank: int, number: int) -> str:
    """The line for a rank that signal `number` ended, by the signal's name where it has one."""
    try:
        return f"xtl: rank {rank} ended by signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"xtl: rank {rank} ended by signal {number}"


if __name__ == "__main__":
    RankController(Path(sys.argv[1])).run()
