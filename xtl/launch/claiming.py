"""Claiming: which attempt at a shard this job may run, if any. Rank 0 decides."""

from __future__ import annotations

import os
import socket
import time

import psutil

from xtl.launch.code import versions
from xtl.launch.records import Claim, Submission
from xtl.launch.store import Store

_PATIENCE_S = 30.0  # a result of another node may be that late on a network file system


class FencedError(Exception):
    """A later attempt has claimed this shard: nothing more may be written."""


def claim_shard(store: Store, submission: Submission, shard: str, attempt: int) -> tuple[str, int]:
    """Rank 0's decision: `skip` what is done, `run` the attempt that was claimed, `yield` to who
    has it, or leave without a try used up: `early` where a parent is not there, `paused` where the
    whole sweep is, `cancelled` where a person has cancelled this job, or the shard since it was
    submitted."""
    if _is_done(store, submission, shard):
        return "skip", attempt
    if _is_cancelled(store, submission, shard):
        return "cancelled", attempt
    if store.pauses.current():
        return "paused", attempt
    if not _parents_are_there(store, shard):
        return "early", attempt
    claim = _make_claim(store, submission, shard, attempt)
    earlier = store.attempt(shard, attempt)
    while earlier and earlier.claim.job == claim.job and earlier.claim.restarts < claim.restarts:
        claim = claim.model_copy(update={"attempt": claim.attempt + 1})  # this job, requeued
        earlier = store.attempt(shard, claim.attempt)
    return "run" if store.claim(claim) else "yield", claim.attempt


def _is_cancelled(store: Store, submission: Submission, shard: str) -> bool:
    """A job that Slurm took so late that it was given up hears of it by the shard alone."""
    starts = store.noted_false_starts(shard)
    return store.submissions.cancelled(submission.name) is not None or any(
        start.cls == "cancelled" and start.time > submission.created for start in starts
    )


def _parents_are_there(store: Store, shard: str) -> bool:
    """Whatever the scheduler's dependency said: one that it has forgotten counts as satisfied."""
    limit = time.monotonic() + _PATIENCE_S
    while any(store.parent_digest(parent) is None for parent in store.read_shard(shard).parents):
        if time.monotonic() > limit:
            return False
        time.sleep(1)
    return True


def _is_done(store: Store, submission: Submission, shard: str) -> bool:
    """A result of today's parents. Of its artifact, where it names one, that it is the one, or was
    released and no shard that this job has yet to run needs it."""
    result = store.result(shard)
    if result is None or any(
        result.parents.get(parent) != _handed_over(store, parent)
        for parent in store.read_shard(shard).parents
    ):
        return False
    there = store.artifact_digest(shard)
    if result.artifact is None or there == result.artifact.digest:
        return True
    return there is None and not _is_needed(store, submission, shard)


def _handed_over(store: Store, parent: str) -> str | None:
    """The digest that its result names, released or not."""
    result = store.result(parent)
    return result.artifact.digest if result and result.artifact else None


def _is_needed(store: Store, submission: Submission, shard: str) -> bool:
    return any(
        shard in store.read_shard(other).parents and store.result(other) is None
        for other, _ in submission.shards
    )


def _make_claim(store: Store, submission: Submission, shard: str, attempt: int) -> Claim:
    return Claim(
        shard=shard,
        attempt=attempt,
        submission=submission.name,
        job=_job_id(),
        restarts=int(os.environ.get("SLURM_RESTART_COUNT", "0")),
        host=socket.gethostname(),
        device=_device(),
        world_size=submission.ranks,
        micro_batch=submission.micro_batch,
        halvings=submission.halvings,
        stage=store.read_shard(shard).stage,
        deterministic=submission.deterministic,
        versions=versions(),
        commit=submission.commit,
        started=time.time(),
        launched=psutil.Process().create_time(),
    )


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _job_id() -> str:
    import submitit

    return str(submitit.JobEnvironment().job_id)
