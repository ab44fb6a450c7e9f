"""What a job runs on every rank: `python -m xtl.launch.task ROOT submission|batch NAME`.

The submission was on disk before the job, so that a launcher may die at any instant after that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from xtl.launch.store import Store


def main(root: str, kind: str, name: str) -> None:
    store = Store(Path(root))
    from xtl.launch.worker import run_submission

    run_submission(store, name if kind == "submission" else _of_batch(store, name))


def _of_batch(store: Store, name: str) -> str:
    """The submission of this task of an array."""
    batch = store.batches.find(name)
    if batch is None:
        raise RuntimeError(f"{store.batches.folder(name)}: found no batch")
    return batch.submissions[int(os.environ["SLURM_ARRAY_TASK_ID"])]


if __name__ == "__main__":
    main(*sys.argv[1:])
