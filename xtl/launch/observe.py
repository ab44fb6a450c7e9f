"""Looking: the sweep's folder and the scheduler's word, gathered into evidence for each shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from xtl.launch.records import Attempt, Job, Submission
from xtl.launch.states import SILENCE_LIMIT_S, Evidence, Liveness
from xtl.launch.store import Store
from xtl.sweep.plan import Plan


class Scheduler(Protocol):
    """Who runs jobs: the slots of this machine, or Slurm."""

    def submit(self, store: Store, submission: Submission) -> Job: ...

    def liveness(
        self, store: Store, jobs: Mapping[str, tuple[Submission, Job | None]]
    ) -> dict[str, Liveness]:
        """Of every submission by name, in one question to the scheduler."""


@dataclass
class Observation:
    """Evidence by shard; submissions whose jobs are (or may be) alive, and those just ended."""

    evidence: dict[str, Evidence]
    alive: list[Submission]
    ended: list[Submission]


def observe(store: Store, plan: Plan, scheduler: Scheduler, now: float) -> Observation:
    """One look; writes nothing. `now` is in seconds since the epoch."""
    submissions = store.submissions.open()
    jobs = {entry.name: (entry, store.submissions.job(entry.name)) for entry in submissions}
    liveness = scheduler.liveness(store, jobs) if jobs else {}
    for entry in submissions:
        if liveness[entry.name] == "unknown" and _silent(store, entry, now):
            liveness[entry.name] = "lost"
    alive = [entry for entry in submissions if liveness[entry.name] in ("alive", "unknown")]
    ended = [entry for entry in submissions if liveness[entry.name] in ("gone", "lost")]
    waiting = _waiting(store, alive)
    evidence = {shard: _evidence(store, shard, liveness, shard in waiting) for shard in plan.shards}
    return Observation(evidence, alive, ended)


def settle(store: Store, ended: list[Submission]) -> None:
    """Close submissions whose jobs are gone, noting those that never began."""
    for submission in ended:
        if store.submissions.job(submission.name) and not _claimed(store, submission):
            _note_false_start(store, submission)
        store.submissions.close(submission.name)


def _waiting(store: Store, alive: list[Submission]) -> set[str]:
    """Shards that a live job has not come to yet."""
    return {
        shard
        for submission in alive
        for shard, attempt in submission.shards
        if store.latest_attempt(shard) < attempt
    }


def _silent(store: Store, submission: Submission, now: float) -> bool:
    """No sign of life for too long. A heartbeat that cannot be read is none."""
    signs = [submission.created]
    for shard, _ in submission.shards:
        for attempt in store.attempts(shard):
            if attempt.claim.submission == submission.name:
                beat = store.heartbeat(shard, attempt.claim.attempt)
                signs.append(beat.time if beat else attempt.claim.started)
    return now - max(signs) > SILENCE_LIMIT_S


def _evidence(
    store: Store, shard: str, liveness: Mapping[str, Liveness], waiting: bool
) -> Evidence:
    if not store.shard(shard).is_dir():
        return Evidence(waiting=waiting)
    attempts = tuple(store.attempts(shard))
    last = attempts[-1] if attempts else None
    number = last.claim.attempt if last else 0
    return Evidence(
        result=store.result(shard),
        artifact=store.artifact_digest(shard),
        attempts=attempts,
        noted=tuple(store.noted_failures(shard, number)) if _unfinished(last) else (),
        heartbeat=store.heartbeat(shard, number) if last else None,
        job=_job(store, last.claim.submission, liveness) if last else None,
        waiting=waiting,
        false_starts=tuple(store.false_starts(shard)),
        pardoned=store.pardoned(shard),
    )


def _job(store: Store, submission: str, liveness: Mapping[str, Liveness]) -> Liveness:
    """One that was submitted after we asked is unknown, never gone."""
    closed = store.submissions.is_closed(submission)
    return liveness.get(submission) or ("gone" if closed else "unknown")


def _unfinished(attempt: Attempt | None) -> bool:
    return attempt is not None and (attempt.end is None or attempt.end.status != "done")


def _claimed(store: Store, submission: Submission) -> bool:
    return any(
        attempt.claim.submission == submission.name
        for shard, _ in submission.shards
        for attempt in store.attempts(shard)
    )


def _note_false_start(store: Store, submission: Submission) -> None:
    said = store.submissions.last_words(submission.name) or "it left no word"
    line = f"job {submission.name} ended before it began: {said}"
    for shard, _ in submission.shards:
        if store.result(shard) is None:
            store.note_false_start(shard, submission.name, line)
            return
