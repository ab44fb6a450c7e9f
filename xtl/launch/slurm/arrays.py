"""Arrays on disk: what sbatch is to bring is there before it is called, and goes if it never is."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from xtl.launch.drafts import Drafts
from xtl.launch.records import Batch, Submission
from xtl.launch.slurm.waves import Wave
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

RENEW_S = 10.0
"""How often the lease is renewed while an array is written, which takes minutes on a slow disk."""


@dataclass(frozen=True)
class Array:
    """Its name in Slurm, and its tasks by index."""

    name: str
    members: tuple[Submission, ...]

    def tasks(self, job: str) -> dict[str, str]:
        """Shard → the id of its task, once Slurm has given the array one."""
        return {
            shard: f"{job}_{index}"
            for index, submission in enumerate(self.members)
            for shard, _ in submission.shards
        }


def write_array(drafts: Drafts, wave: Wave, signal_seconds: int) -> Array:
    """What the array runs, and its name with it. Less than the wave where other launchers took the
    rest, or the lead."""
    store = drafts.store
    name = store.batches.reserve(prefix(store, drafts.plan))
    members: list[Submission] = []
    renewed = time.monotonic()
    for bundle in wave.bundles:
        if time.monotonic() - renewed > RENEW_S:
            if not drafts.leads():
                break
            renewed = time.monotonic()
        written = drafts.write(
            bundle, "slurm", batch=name, minutes=wave.minutes, signal_seconds=signal_seconds
        )
        members += [written] if written else []
    array = Array(name, tuple(members))
    if members:
        rewrite(store, array)
    return array


def rewrite(store: Store, array: Array) -> None:
    """As of now: also where sbatch was called and nobody answered, for as long as it takes a job
    to turn up counts from then."""
    names = tuple(submission.name for submission in array.members)
    store.batches.write(Batch(name=array.name, submissions=names, created=time.time()))


def may_go(drafts: Drafts, array: Array) -> bool:
    """Whether nobody has taken the lead meanwhile, or these submissions for never sent."""
    closed = drafts.store.submissions.is_closed
    return drafts.leads() and not any(closed(submission.name) for submission in array.members)


def withdraw(store: Store, array: Array) -> None:
    """There is no such array and there will be none."""
    for submission in array.members:
        store.submissions.withdraw(submission.name)
    store.batches.withdraw(array.name)


def prefix(store: Store, plan: Plan) -> str:
    """How the jobs' names of this sweep begin; two of one name in two folders differ."""
    place = hashlib.sha256(str(store.root.resolve()).encode()).hexdigest()[:4]
    return f"xtl-{plan.sweep}-{place}"


def reconciler(store: Store, plan: Plan) -> str:
    """The name of the job that goes on with this sweep."""
    return f"{prefix(store, plan)}-reconcile"
