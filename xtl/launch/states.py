"""The state of every shard, from the evidence on disk and the scheduler's word. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from xtl.launch.failures import failure_of
from xtl.launch.policy import Policy, Tries, outlook
from xtl.launch.records import (
    Attempt,
    Claim,
    Failure,
    FailureClass,
    FalseStart,
    Heartbeat,
    Result,
)
from xtl.launch.sight import Liveness, Sight
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard

StateName = Literal[
    "done", "running", "queued", "missing", "blocked", "stale", "unknown", "lost", "failed"
]

USUAL = Policy()
SILENCE_LIMIT_S = 900.0
LOST_RULE = (
    f"nobody knows its job, and no heartbeat for {SILENCE_LIMIT_S / 60:.0f} minutes: "
    "taken for lost, to run again (the old attempt can no longer write)"
)
_LEFT_ALONE = "left alone until its job is known again, or lost by the rule"
_AGAIN = "submitted again"


@dataclass(frozen=True)
class Evidence:
    """What is known of one shard. `job` is the liveness of the latest attempt's job; `sight` is
    the scheduler's word on that job, or on the live one that will come to the shard."""

    result: Result | None = None
    artifact: str | None = None  # digest of the artifact on disk, None where there is none
    attempts: tuple[Attempt, ...] = ()
    noted: tuple[Failure, ...] = ()  # of the latest attempt, with what its job's end tells now
    heartbeat: Heartbeat | None = None
    job: Liveness | None = None
    waiting: bool = False  # a live job will come to it
    sight: Sight | None = None
    false_starts: tuple[FalseStart, ...] = ()  # of jobs that never began, since the latest attempt
    pardoned: int = 0  # attempts up to this one no longer count
    taken: int = 0  # the highest attempt that was claimed, if only by a claim that cannot be read


@dataclass(frozen=True)
class State:
    """A state, with what explains it."""

    name: StateName
    failure: Failure | None = None
    retry: bool = False  # failed, and to be tried again by itself
    outlook: str = ""  # what will be done about it, in words
    parent: str | None = None  # blocked by this one, by its name for people
    degenerate: bool = False


def states(
    plan: Plan, evidence: Mapping[str, Evidence], policy: Policy = USUAL
) -> dict[str, State]:
    """Every shard's state, parents before children."""
    found: dict[str, State] = {}
    for shard in plan.shards.values():
        own = evidence.get(shard.id, Evidence())
        state = _own_state(shard, own, evidence, policy)
        if state.name in ("missing", "stale") or state.retry:
            state = _blocked(shard, plan, found) or state
        found[shard.id] = state
    return found


def _own_state(
    shard: Shard, own: Evidence, evidence: Mapping[str, Evidence], policy: Policy
) -> State:
    """A valid result is the proof of done, unless the shard was started again after it."""
    fresh = own.result is not None and _fresh(shard, own.result, own, evidence)
    again = _started_after(own)
    if fresh and not again and not (own.waiting and released(own)):
        return State("done", degenerate=own.result is not None and own.result.degenerate)
    active = _active(own)
    if active:
        return active
    if again or own.result is None or (own.false_starts and not fresh):
        unfinished = _without_result(own, policy)
        if unfinished.name == "failed" or own.result is None:
            return unfinished
    return State("done" if fresh else "stale")


def _started_after(own: Evidence) -> bool:
    """Whether the latest attempt is later than the one that gave the result."""
    last = own.attempts[-1].claim.attempt if own.attempts else 0
    return own.result is not None and last > own.result.attempt


def released(own: Evidence) -> bool:
    """A training's result whose artifact is no longer there."""
    return own.result is not None and own.result.artifact is not None and own.artifact is None


def _active(own: Evidence) -> State | None:
    """Running, queued, unknown or lost: somebody has it, or may have it."""
    end = own.attempts[-1].end if own.attempts else None
    if end and end.status == "stopped" and own.job == "alive":
        return State("queued")  # its job goes back into the queue
    if own.attempts and (end is None or _is_yet_to_be_told(own)):
        if own.job == "alive":
            return State("queued" if own.sight and own.sight.waits else "running")
        if own.job == "unknown":
            return State("unknown", outlook=_LEFT_ALONE)
        if own.job == "lost" and end is None:
            return State("lost", failure=Failure(cls="unknown", line=LOST_RULE), outlook=_AGAIN)
    return State("queued") if own.waiting else None


def _is_yet_to_be_told(own: Evidence) -> bool:
    """Whether all that rank 0 knew is that it lost the others: what became of them (their memory,
    a signal, their node) is told by the logs and the scheduler when their job is over."""
    last = own.attempts[-1]
    ended_badly = last.end is not None and last.end.status == "failed"
    return ended_badly and failure_of(last, own.noted).cls == "communication"


def _fresh(shard: Shard, result: Result, own: Evidence, evidence: Mapping[str, Evidence]) -> bool:
    """The result's parents are today's, and its own artifact, where it is there, is the one."""
    for parent in shard.parents:
        theirs = evidence.get(parent, Evidence()).result
        if theirs and theirs.artifact and result.parents.get(parent) != theirs.artifact.digest:
            return False
    return not (result.artifact and own.artifact) or own.artifact == result.artifact.digest


def _without_result(own: Evidence, policy: Policy) -> State:
    """Failed, with what is done about it, or missing. Jobs that never began count as tries."""
    failure, tries = last_failure(own), tries_of(own)
    if failure is None:
        return State("missing")
    what = outlook(failure, tries, policy)
    return State("failed", failure=failure, retry=what.again, outlook=what.words)


def last_failure(own: Evidence) -> Failure | None:
    """Of a shard whose last try that counts ended badly."""
    counted = _since_the_last_that_ended_well(own)
    if own.false_starts:
        return own.false_starts[-1]
    if counted and not _ended_well(counted[-1]):
        return failure_of(counted[-1], own.noted)
    return None


def tries_of(own: Evidence) -> Tries:
    """What of its past counts against its budgets."""
    counted = [entry for entry in _since_the_last_that_ended_well(own) if not _ended_well(entry)]
    later = {one.claim.attempt: other for one, other in pairwise(own.attempts)}
    classes = [_class_of(entry, later.get(entry.claim.attempt), own) for entry in counted]
    starts = tuple(start.cls for start in own.false_starts)
    return Tries(tuple(counted), tuple(classes), starts)


def _class_of(entry: Attempt, later: Attempt | None, own: Evidence) -> FailureClass:
    """What one that did not end well ended in."""
    if later is None:
        return failure_of(entry, own.noted).cls
    if entry.end is None and not entry.noted and _is_requeued(entry.claim, later.claim):
        return "preempted"  # by Slurm itself, which gave its word to nobody
    return failure_of(entry, entry.noted).cls


def _is_requeued(claim: Claim, later: Claim) -> bool:
    return claim.job == later.job and claim.restarts < later.restarts


def _ended_well(attempt: Attempt) -> bool:
    return attempt.end is not None and attempt.end.status == "done"


def _since_the_last_that_ended_well(own: Evidence) -> list[Attempt]:
    """Attempts that count: a shard whose result was lost or released starts anew."""
    counted = [entry for entry in own.attempts if entry.claim.attempt > own.pardoned]
    well = [index for index, entry in enumerate(counted) if _ended_well(entry)]
    if not well or well[-1] == len(counted) - 1:
        return counted
    return counted[well[-1] + 1 :]


def _blocked(shard: Shard, plan: Plan, found: Mapping[str, State]) -> State | None:
    for parent in shard.parents:
        theirs = found[parent]
        if theirs.name == "blocked":
            return theirs
        if theirs.name in ("failed", "unknown") and not theirs.retry:
            name = plan.shards[parent].name
            return State("blocked", parent=name, outlook=f"goes on by itself when {name} is done")
    return None


def todo(
    plan: Plan, known: Mapping[str, State], evidence: Mapping[str, Evidence], ahead: bool = False
) -> set[str]:
    """The shards to submit: what is missing, stale or to be retried, and released parents that
    these need again. Never one that is unknown. One whose parent another job has yet to bring only
    with `ahead`: where the scheduler can hold its job back until then."""
    wanted = {
        shard
        for shard, state in known.items()
        if state.name in ("missing", "stale", "lost") or (state.name == "failed" and state.retry)
    }
    for shard in reversed(list(plan.shards.values())):
        if shard.id in wanted:
            wanted |= {parent for parent in shard.parents if _gone(parent, known, evidence)}
    startable: set[str] = set()
    for shard in plan.shards.values():
        ready = (
            parent in startable
            or (known[parent].name == "done" and not released(evidence[parent]))
            or (ahead and known[parent].name in ("queued", "running"))
            for parent in shard.parents
        )
        if shard.id in wanted and all(ready):
            startable.add(shard.id)
    return startable


def _gone(parent: str, known: Mapping[str, State], evidence: Mapping[str, Evidence]) -> bool:
    return known[parent].name == "done" and released(evidence[parent])
