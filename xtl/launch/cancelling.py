"""Cancelling: which jobs go for the sake of which shards, and how they are told.

A person's word goes to disk before any job hears of it: the job itself heeds it between two shards,
and whoever looks later knows what it ended of. Ranks that run get SIGTERM and nothing after it, so
they save however long that takes. scancel alone kills them KillWait later (30 seconds by default),
which is enough for a small model, and for one whose state is tens of GiB is not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from xtl.errors import UserError
from xtl.launch.local import processes_of
from xtl.launch.observe import Observation
from xtl.launch.records import FalseStart, Submission
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.telling import tell
from xtl.launch.states import Evidence, State
from xtl.launch.store import Store
from xtl.sweep.descent import descendants
from xtl.sweep.plan import Plan

_SHOWN = 5  # jobs that a line names


@dataclass(frozen=True)
class CancelledJob:
    """A job that is to go: `meant` are the shards that it is cancelled for, `others` those that it
    has yet to run besides."""

    submission: Submission
    sight: Sight
    meant: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return self.submission.cluster == "local" or self.sight.state == "RUNNING"

    @property
    def sent(self) -> bool:
        """False where its launcher is about to submit it, or died as it was: nobody can be told,
        and if it comes it leaves by itself."""
        return self.submission.cluster == "local" or self.sight.liveness == "alive"


@dataclass(frozen=True)
class Cancellation:
    """What is to be done. `unsent`: shards that have no job yet and would get one by themselves;
    `out_of_reach`: those of jobs that nobody can be asked about; `blocked`: what comes of the
    meant ones, and waits until they are done."""

    jobs: tuple[CancelledJob, ...]
    unsent: tuple[str, ...] = ()
    out_of_reach: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    @property
    def meant(self) -> list[str]:
        return [*(shard for job in self.jobs for shard in job.meant), *self.unsent]

    @property
    def others(self) -> list[str]:
        return [shard for job in self.jobs for shard in job.others]

    @property
    def returning(self) -> list[str]:
        """Of the others, those that come back by themselves."""
        return [shard for shard in self.others if shard not in self.blocked]


def what_to_cancel(
    plan: Plan,
    known: Mapping[str, State],
    seen: Observation,
    chosen: Collection[str],
    led: bool,
    others_too: bool = False,
) -> Cancellation:
    """Pure. `led`: a launcher or a job goes on by itself, and would submit what is missing;
    `others_too`: what shares a job with the chosen is meant as well, as is what was cancelled in
    that job before."""
    jobs: list[CancelledJob] = []
    lost: list[str] = []
    for submission in seen.alive:
        sight, left = seen.sights[submission.name], _left(known, seen.evidence, submission)
        earlier = seen.cancelled.get(submission.name, frozenset())
        meant = tuple(key for key in left if key in chosen or key in earlier or others_too)
        if not any(shard in chosen for shard in left):
            continue
        if sight.liveness != "alive" and not (sight.dropped and submission.cluster == "slurm"):
            lost += meant
            continue
        others = tuple(shard for shard in left if shard not in meant)
        jobs.append(CancelledJob(submission, sight, meant, others))
    found = Cancellation(tuple(jobs), (), tuple(lost))
    if led:
        found = replace(found, unsent=_unsent(plan, known, chosen, found))
    return replace(found, blocked=_blocked(plan, known, found))


def _blocked(plan: Plan, known: Mapping[str, State], found: Cancellation) -> tuple[str, ...]:
    """All that comes of what is meant and has yet to run, or ends with it. What runs in a job of
    its own ends as it would."""
    others = set(found.others)
    return tuple(
        shard
        for shard in descendants(plan, found.meant)
        if shard in others or known[shard].name == "queued" or _waits(known[shard])
    )


def _left(
    known: Mapping[str, State], evidence: Mapping[str, Evidence], submission: Submission
) -> list[str]:
    """The shards that a job runs or has yet to run."""
    left = []
    for shard, attempt in submission.shards:
        own = evidence.get(shard)
        if own is None or known[shard].name not in ("running", "queued", "unknown"):
            continue
        last = own.attempts[-1].claim if own.attempts else None
        if last is None or last.attempt < attempt or last.submission == submission.name:
            left.append(shard)
    return left


def _unsent(
    plan: Plan, known: Mapping[str, State], chosen: Collection[str], sent: Cancellation
) -> tuple[str, ...]:
    """Of what would be submitted by itself, the first of each chain: its children are blocked. Not
    those of what only shares a job: it comes back."""
    found: list[str] = []
    stopped, taken = set(sent.meant), {*sent.meant, *sent.others}
    for shard in plan.shards.values():
        if shard.id in chosen and shard.id not in taken and _waits(known[shard.id]):
            if not stopped.intersection(shard.parents):
                found.append(shard.id)
            stopped.add(shard.id)
    return tuple(found)


def _waits(state: State) -> bool:
    """For a job of its own, which a launcher would submit."""
    return state.name in ("missing", "stale", "lost") or state.retry


@dataclass(frozen=True)
class AtStake:
    """Of a running shard: where it is, and what is lost unless it saves as it stops (an evaluation
    never does): updates or batches, and device-seconds at its pace."""

    step: int
    total: int
    steps: int
    device_seconds: float


def at_stake(own: Evidence) -> AtStake | None:
    """None where it does not run, or has not said where it is."""
    beat, attempts = own.heartbeat, own.attempts
    if (
        beat is None
        or not attempts
        or attempts[-1].end
        or attempts[-1].claim.attempt != beat.attempt
    ):
        return None
    claim, begun = attempts[-1].claim, max((entry.saved for entry in attempts[:-1]), default=0)
    pace = (beat.time - claim.started) / max(1, beat.step - begun)
    steps = max(0, beat.step - max(beat.saved, begun))
    return AtStake(beat.step, beat.total, steps, steps * pace * claim.world_size)


def carry_out(store: Store, doomed: Cancellation, client: Client | None, now: bool = False) -> None:
    """Tell all jobs; `now`: without time to save. Raises UserError where Slurm does not hear of it,
    or says no: then the jobs that were told before are cancelled, and no other."""
    names, submissions = [job.submission.name for job in doomed.jobs], store.submissions
    earlier = {name: submissions.cancelled(name) for name in names}
    for job in doomed.jobs:
        submissions.note_cancelled(job.submission.name, job.meant)
    slurm = [job for job in doomed.jobs if job.submission.cluster == "slurm" and job.sent]
    untold, why = _tell(client, slurm, now) if client else ([], "")
    local = [job for job in doomed.jobs if job.submission.cluster == "local"]
    if untold:
        for job in [*untold, *local]:
            submissions.spare(job.submission.name, earlier[job.submission.name])
        raise UserError(f"Slurm: {why}: {_what_became(doomed, [*untold, *local])}")
    _stop_here(store.root, [job.submission.name for job in local], now)
    for shard in doomed.unsent:
        _note_unsent(store, shard)


def _tell(
    client: Client, jobs: Sequence[CancelledJob], now: bool
) -> tuple[list[CancelledJob], str]:
    """The jobs that were not told, and why."""
    at_once = [job.sight.job for job in jobs if now or not job.runs]
    running = [job.sight.job for job in jobs if job.runs and not now]
    untold, why = tell(client, at_once, running)
    return [job for job in jobs if job.sight.job in untold], why


def _what_became(doomed: Cancellation, untold: Sequence[CancelledJob]) -> str:
    if len(untold) == len(doomed.jobs):
        return "not cancelled"
    names = [job.sight.job or job.submission.name for job in untold]
    shown = ", ".join(names[:_SHOWN]) + (", …" if names[_SHOWN:] else "")
    return f"cancelled {len(doomed.jobs) - len(names)} of {len(doomed.jobs)} jobs, not {shown}"


def _stop_here(root: Path, names: Collection[str], now: bool) -> None:
    """SIGTERM to the controllers of jobs on this machine, which hand it on to their ranks; `now`:
    SIGKILL to their sessions."""
    for process in (one for found in processes_of(root, names).values() for one in found):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if now:
                os.killpg(os.getpgid(process.pid), signal.SIGKILL)
            else:
                process.terminate()


def _note_unsent(store: Store, shard: str) -> None:
    """As if its job had been cancelled before it began; its next attempt would have that number."""
    line = "a person cancelled it before it was submitted"
    number, moment = store.latest_attempt(shard) + 1, time.time()
    start = FalseStart(cls="cancelled", line=line, attempt=number, time=moment)
    store.note_false_start(shard, f"cancelled-{moment:.6f}", start)
