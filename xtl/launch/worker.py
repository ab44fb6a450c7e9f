"""What every rank of a job runs: its shards one after the other, parents first.

Torch, DeepSpeed and W&B are imported here only when a job runs: a launcher imports this module
to name the function that it submits.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Literal

from xtl.launch.claiming import claim_shard
from xtl.launch.execution import Execution, FencedError
from xtl.launch.failures import classify_exception
from xtl.launch.ranks import Ranks, join_ranks
from xtl.launch.records import End, Failure, Submission
from xtl.launch.stopping import StopFlag
from xtl.launch.store import Store
from xtl.sweep.shard import Shard

log = logging.getLogger(__name__)


def run_submission(root: str, name: str) -> None:
    """Run the shards of a submission that is on disk. Called on every rank, by submitit."""
    _speak_up()
    store = Store(Path(root))
    submission = store.submissions.find(name)
    if submission is None:
        raise RuntimeError(f"{store.submissions.folder(name)}: found no submission")
    stop = StopFlag.install()
    ranks = join_ranks()
    for shard, attempt in submission.shards:
        outcome, attempt = ranks.on_first(partial(claim_shard, store, submission, shard, attempt))
        if outcome == "run":
            outcome = _run(store, submission, store.read_shard(shard), attempt, ranks, stop)
        log.info("%s: %s", shard, outcome)
        if outcome not in ("done", "skip") or ranks.any(stop.requested):
            break
    ranks.leave()


def _speak_up() -> None:
    """Our own story in the log, and of the libraries their warnings only."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", force=True)
    logging.getLogger("xtl").setLevel(logging.INFO)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _run(
    store: Store,
    submission: Submission,
    shard: Shard,
    attempt: int,
    ranks: Ranks,
    stop: StopFlag,
) -> str:
    """Execute one claimed shard; say how it ended. Whatever a rank raises is noted, then raised."""
    execution = Execution(store, submission, shard, attempt, ranks, stop)
    try:
        with execution:
            finished = execution.run()
    except FencedError:
        log.warning("%s: a later attempt has this shard; leaving it alone", shard.name)
        return "yield"
    except BaseException as error:
        _note(store, shard.id, attempt, ranks, error, execution.step)
        raise
    status: Literal["done", "stopped"] = "done" if finished else "stopped"
    if ranks.first:
        store.end_attempt(
            shard.id, attempt, End(status=status, step=execution.step, finished=time.time())
        )
    return status


def _note(
    store: Store, shard: str, attempt: int, ranks: Ranks, error: BaseException, step: int
) -> None:
    line = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    file = f"rank {ranks.rank} of {os.environ.get('SUBMITIT_EXECUTOR', 'a')} job"
    failure = Failure(cls=classify_exception(error), line=line, file=file, rank=ranks.rank)
    store.note_failure(shard, attempt, failure)
    if ranks.first:
        end = End(status="failed", failure=failure, step=step, finished=time.time())
        store.end_attempt(shard, attempt, end)
