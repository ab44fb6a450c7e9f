"""Looking: the sweep's folder and the scheduler's word, gathered into evidence for each shard."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xtl.launch.records import Attempt, Failure, FalseStart, Job, Submission
from xtl.launch.sight import Liveness, Sight
from xtl.launch.states import SILENCE_LIMIT_S, Evidence
from xtl.launch.store import Store
from xtl.launch.traces import traces_of
from xtl.launch.words import false_start, keep_words, words_on
from xtl.sweep.plan import Plan

Look = Callable[[Sequence[Submission]], Mapping[str, Sight]]
"""The scheduler's word on every submission by name, in one question to it."""


@dataclass
class Observation:
    """Evidence by shard; submissions whose jobs are (or may be) alive, and those just ended.

    `cancelled`: the shards that a person has meant already, by the submission; `returned`: of those
    alive, what was closed, and began something since; `seen`: in seconds since the epoch.
    """

    evidence: dict[str, Evidence]
    alive: list[Submission]
    ended: list[Submission]
    sights: Mapping[str, Sight]
    cancelled: Mapping[str, frozenset[str]] = field(default_factory=dict)
    returned: Sequence[Submission] = ()
    seen: float = field(default_factory=time.time)


def observe(store: Store, plan: Plan, look: Look, now: float) -> Observation:
    """One look; writes nothing. `now` is in seconds since the epoch."""
    submissions = store.submissions.open()
    sights = dict(look(submissions)) if submissions else {}
    cancelled: dict[str, frozenset[str]] = {}
    for entry in submissions:
        sight = sights[entry.name]
        if sight.liveness == "unknown" and sight.asked and _silent(store, entry, now):
            sights[entry.name] = replace(sight, liveness="lost")
        if sight.failure and sight.failure.cls == "cancelled" and _is_given_up(store, entry):
            sights[entry.name] = replace(sight, failure=None, dropped=True)
        meant = store.submissions.cancelled(entry.name)
        if meant is not None:  # said for each shard: see _word
            cancelled[entry.name] = meant
            sights[entry.name] = replace(sights[entry.name], failure=None, dropped=True)
    alive = [entry for entry in submissions if sights[entry.name].liveness in ("alive", "unknown")]
    ended = [entry for entry in submissions if sights[entry.name].liveness in ("gone", "lost")]
    waiting = _waiting(store, alive)
    evidence = {
        shard: _evidence(store, shard, sights, waiting.get(shard), now) for shard in plan.shards
    }
    returned = _returned(store, evidence, sights)
    alive += returned
    sights |= {entry.name: Sight() for entry in returned}
    return Observation(evidence, alive, ended, sights, cancelled, returned, now)


def settle(store: Store, observation: Observation) -> None:
    """Close submissions whose jobs are gone, noting what the scheduler alone knows of their end,
    and those that never began. Ask again about those that were closed too early. Keep the id of an
    array whose launcher died before it could."""
    for submission in observation.returned:
        store.submissions.reopen(submission.name)
    for submission in observation.alive:
        job = observation.sights[submission.name].job
        if submission.batch and job and store.batches.job(submission.batch) is None:
            array = job.partition("_")[0]
            store.batches.write_job(submission.batch, Job(id=array, host=socket.gethostname()))
    for submission in observation.ended:
        sight = observation.sights[submission.name]
        claimed = _claimed(store, submission)
        for shard, number in claimed:
            store.free_reserves(shard, number)
        for shard, number in claimed:
            attempt = store.attempt(shard, number)
            if attempt:
                word = _word(store, submission.name, shard, sight)
                keep_words(store, shard, attempt, word, sight, time.time())
        _note_cancelled(store, submission, dict(claimed))
        told = sight.failure is not None and sight.failure.cls != "unknown"
        left = store.submissions.has_left(submission.name) and not told
        if not (claimed or sight.dropped or left):
            _note_false_start(store, submission, sight)
        store.submissions.close(submission.name, observation.seen)


def _word(store: Store, submission: str, shard: str, sight: Sight) -> Failure | None:
    """Why a shard that its job had begun did not finish: a person's word before the scheduler's.
    Who shared the job with what was meant goes on by itself, as if preempted."""
    meant = store.submissions.cancelled(submission)
    if meant is None:
        return sight.failure
    if shard in meant:
        return Failure(cls="cancelled", line="a person cancelled it while it ran", node=sight.node)
    return Failure(cls="preempted", line="a person cancelled its job, for other shards' sake")


def _note_cancelled(store: Store, submission: Submission, claimed: Mapping[str, int]) -> None:
    """What a person cancelled before its job came to it."""
    for shard, attempt in submission.shards:
        meant = shard in (store.submissions.cancelled(submission.name) or ())
        if meant and shard not in claimed and _is_undone(store, shard):
            line = "a person cancelled it while it waited"
            start = FalseStart(cls="cancelled", line=line, attempt=attempt, time=time.time())
            store.note_false_start(shard, submission.name, start)


def _is_undone(store: Store, shard: str) -> bool:
    """Without a result, or with one that is stale."""
    result = store.result(shard)
    if result is None:
        return True
    there = store.artifact_digest(shard)
    if there and result.artifact and there != result.artifact.digest:
        return True
    parents = [(store.result(parent), read) for parent, read in result.parents.items()]
    return any(now and now.artifact and now.artifact.digest != read for now, read in parents)


def _is_given_up(store: Store, entry: Submission) -> bool:
    """Cancelled by a launcher, which could not have it started."""
    return store.submissions.is_given_up(entry.name)


def _waiting(store: Store, alive: list[Submission]) -> dict[str, str]:
    """Shards that a live job has not come to yet, and its submission."""
    return {
        shard: submission.name
        for submission in alive
        for shard, attempt in submission.shards
        if store.latest_attempt(shard) < attempt
    }


def _silent(store: Store, submission: Submission, now: float) -> bool:
    """No sign of life for too long. A heartbeat that cannot be read is none."""
    signs = [submission.created]
    for shard, number in _claimed(store, submission):
        attempt, beat = store.attempt(shard, number), store.heartbeat(shard, number)
        signs += [beat.time] if beat else []
        signs += [attempt.claim.started] if attempt else []
    return now - max(signs) > SILENCE_LIMIT_S


def _evidence(
    store: Store, shard: str, sights: Mapping[str, Sight], waiting: str | None, now: float
) -> Evidence:
    ahead = sights[waiting] if waiting else None
    if not store.shard(shard).is_dir():
        return Evidence(waiting=waiting is not None, sight=ahead)
    traces = traces_of(store, shard)
    last = traces.attempts[-1] if traces.attempts else None
    sight = sights.get(last.claim.submission) if last else None
    return Evidence(
        result=traces.result,
        artifact=traces.artifact,
        attempts=traces.attempts,
        noted=words_on(store, shard, last, sight, now) if last else (),
        heartbeat=last.beat if last else None,
        job=_job(store, last, sight, now) if last else None,
        waiting=waiting is not None,
        sight=ahead or sight,
        false_starts=traces.false_starts,
        pardoned=traces.pardoned,
        taken=traces.taken,
    )


def _job(store: Store, last: Attempt, sight: Sight | None, now: float) -> Liveness:
    """Of an attempt's job that nobody was asked about: its submission is closed, or newer than the
    question, or cannot be read."""
    if sight:
        return sight.liveness
    silent, name = _is_silent(last, now), last.claim.submission
    if not store.submissions.is_closed(name):
        return "lost" if silent else "unknown"
    return "unknown" if not silent and _began_after_its_end(store, last) else "gone"


def _is_silent(attempt: Attempt, now: float) -> bool:
    signs = [attempt.claim.started, *([attempt.beat.time] if attempt.beat else [])]
    return now - max(signs) > SILENCE_LIMIT_S


def _began_after_its_end(store: Store, attempt: Attempt) -> bool:
    """Slurm had taken the job so late that it was given up, or a person has requeued it."""
    claim = attempt.claim
    return attempt.end is None and claim.started > store.submissions.closed_at(claim.submission)


def _returned(
    store: Store, evidence: Mapping[str, Evidence], sights: Mapping[str, Sight]
) -> list[Submission]:
    """Closed ones whose job has begun something since."""
    names = {
        own.attempts[-1].claim.submission: None
        for own in evidence.values()
        if own.attempts and own.job == "unknown"
    }
    closed = (name for name in names if name not in sights and store.submissions.is_closed(name))
    return [entry for name in closed if (entry := store.submissions.find(name))]


def _claimed(store: Store, submission: Submission) -> list[tuple[str, int]]:
    """The shards that its job has come to, and the latest attempt at each that is its own."""
    latest = {
        shard: attempt.claim.attempt
        for shard, _ in submission.shards
        for attempt in store.attempts(shard)
        if attempt.claim.submission == submission.name
    }
    return list(latest.items())


def _note_false_start(store: Store, submission: Submission, sight: Sight) -> None:
    """A job that ended before it began: its first shard's, or what a person cancelled all of it."""
    failure = false_start(store, submission, sight, _last_words(store, submission))
    without = [entry for entry in submission.shards if _is_undone(store, entry[0])]
    for shard, attempt in without if failure.cls == "cancelled" else without[:1]:
        start = FalseStart(**failure.model_dump(), attempt=attempt, time=time.time())
        store.note_false_start(shard, submission.name, start)


def _last_words(store: Store, submission: Submission) -> str:
    batch = store.batches.find(submission.batch) if submission.batch else None
    if batch is None:
        return store.submissions.last_words(submission.name)
    return store.batches.last_words(batch.name, batch.submissions.index(submission.name))
