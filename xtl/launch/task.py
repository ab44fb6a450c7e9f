"""What a job runs on every rank: `python -m xtl.launch.task ROOT submission|batch NAME`.

The submission was on disk before the job, so that a launcher may die at any instant after that.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import NoReturn

from xtl.launch.stopping import StopFlag
from xtl.launch.store import Store

UNFINISHED = 75
"""Exit status of a job that leaves shards undone without having failed: jobs that wait for it with
afterok must not begin. (EX_TEMPFAIL of sysexits.h.)"""


def main(root: str, kind: str, name: str) -> None:
    stop = StopFlag.install()  # before the imports, which take seconds
    store = Store(Path(root))
    from xtl.launch.worker import run_submission

    submission = name if kind == "submission" else _of_batch(store, name)
    if not run_submission(store, submission, stop):
        sys.exit(UNFINISHED)


def _of_batch(store: Store, name: str) -> str:
    """The submission of this task of an array."""
    batch = store.batches.find(name)
    if batch is None:
        raise RuntimeError(f"{store.batches.folder(name)}: found no batch")
    return batch.submissions[int(os.environ["SLURM_ARRAY_TASK_ID"])]


def leave() -> NoReturn:
    """All is done. A thread of torch's that wants the interpreter while that goes is ended by it,
    and at times takes the process along with SIGABRT ("terminate called without an active
    exception"): Slurm would call the job failed, and cancel what waits for it."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
    leave()
