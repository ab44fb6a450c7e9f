"""The process that starts a local job's ranks and waits for them: submitit's, with one more rule.

When a rank ends badly, the others are ended too, as `srun --kill-on-bad-exit` does: a rank that
waits for a dead one to join a process group would wait for half an hour.
"""

from __future__ import annotations

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
            if None not in codes or (limit is not None and time.monotonic() > limit):
                return codes
            bad = [code for code in codes if code not in (None, 0, LOCAL_REQUEUE_RETURN_CODE)]
            if bad and limit is None:
                limit = time.monotonic() + GRACE_S
            time.sleep(1 / freq)


if __name__ == "__main__":
    RankController(Path(sys.argv[1])).run()
