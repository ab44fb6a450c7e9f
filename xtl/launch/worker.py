"""What every rank of a job runs: its shards one after the other, parents first.

Torch, DeepSpeed and W&B are imported only when the ranks have joined.
"""

from __future__ import annotations

import logging
import os
import traceback
from functools import partial
from pathlib import Path
from typing import Literal

from xtl.launch.claiming import FencedError, claim_shard
from xtl.launch.execution import Execution
from xtl.launch.failures import blames_hardware, classify_exception
from xtl.launch.logs import mark, node_name
from xtl.launch.ranks import join_ranks
from xtl.launch.records import Failure
from xtl.launch.slurm.inside import go_back
from xtl.launch.stopping import StopFlag
from xtl.launch.store import Store

log = logging.getLogger(__name__)


def run_submission(store: Store, name: str, stop: StopFlag) -> bool:
    """Run the shards of a submission that is on disk. Called on every rank.

    False where some are left undone: this job was stopped, or another one has them, or a parent of
    theirs is not there yet.
    """
    _speak_up()
    submission = store.submissions.find(name)
    if submission is None:
        raise RuntimeError(f"{store.submissions.folder(name)}: found no submission")
    ranks = join_ranks(submission.deterministic)
    advanced, unfinished, outcome = False, list(submission.shards), "skip"
    while unfinished:
        shard, attempt = unfinished[0]
        outcome, attempt = ranks.on_first(partial(claim_shard, store, submission, shard, attempt))
        if outcome == "run":
            log.info(mark(shard, attempt))
            execution = Execution(store, submission, store.read_shard(shard), attempt, ranks, stop)
            outcome = _run(execution, stop, store.root)
            advanced = advanced or execution.advanced
        log.info("%s: %s", shard, outcome)
        if outcome in ("done", "skip"):
            unfinished.pop(0)
        if outcome not in ("done", "skip") or ranks.any(stop.requested):
            break
    if unfinished and ranks.first:
        if advanced and store.submissions.cancelled(name) is None:
            go_back(submission, stop)
        store.submissions.note_left(name, outcome)
    ranks.leave()
    return not unfinished


def _speak_up() -> None:
    """Our own story in the log, and of the libraries their warnings only."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", force=True)
    logging.getLogger("xtl").setLevel(logging.INFO)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _run(execution: Execution, stop: StopFlag, root: Path) -> str:
    """Execute one claimed shard; say how it ended. Whatever a rank raises is noted, then raised."""
    try:
        with execution:
            finished = execution.run()
    except FencedError:
        log.warning("%s: a later attempt has this shard; leaving it alone", execution.shard.name)
        return "yield"
    except BaseException as error:
        execution.note(_failure(error, execution.ranks.rank, root))
        raise
    status: Literal["done", "stopped"] = "done" if finished else "stopped"
    execution.end(status, cause=None if finished else stop.cause(execution.submission))
    return status


def _failure(error: BaseException, rank: int, root: Path) -> Failure:
    line = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    node = node_name() if blames_hardware(error) else ""
    return Failure(cls=classify_exception(error, root), line=line, rank=rank, node=node)
