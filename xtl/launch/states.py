"""The state of every shard, from the evidence on disk and the scheduler's word. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from xtl.launch.failures import failure_of, retried
from xtl.launch.records import Attempt, Failure, Heartbeat, Result
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard

StateName = Literal[
    "done", "running", "queued", "missing", "blocked", "stale", "unknown", "lost", "failed"
]
Liveness = Literal["alive", "gone", "unknown"]

HEARTBEAT_LIMIT_S = 900.0
"""A job that nobody can be asked about is lost when its heartbeat is older than this."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one shard. `job` is the liveness of the latest attempt's job."""

    result: Result | None = None
    artifact: str | None = None  # digest of the artifact on disk, None where there is none
    attempts: tuple[Attempt, ...] = ()
    noted: tuple[Failure, ...] = ()  # by the ranks of the latest attempt
    heartbeat: Heartbeat | None = None
    job: Liveness | None = None
    waiting: bool = False  # a live job will come to it
    false_starts: tuple[str, ...] = ()
    pardoned: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class State:
    """A state, with what explains it."""

    name: StateName
    failure: Failure | None = None
    retry: bool = False  # failed, and to be tried again by itself
    parent: str | None = None  # blocked by this one, by its name for people
    degenerate: bool = False


def states(plan: Plan, evidence: Mapping[str, Evidence], now: float) -> dict[str, State]:
    """Every shard's state, parents before children."""
    found: dict[str, State] = {}
    for shard in plan.shards.values():
        own = evidence.get(shard.id, Evidence())
        state = _own_state(shard, own, evidence, now)
        if state.name in ("missing", "stale") or state.retry:
            state = _blocked(shard, plan, found) or state
        found[shard.id] = state
    return found


def _own_state(shard: Shard, own: Evidence, evidence: Mapping[str, Evidence], now: float) -> State:
    active = _active(own, now)
    if active:
        return active
    if own.result:
        fresh = _fresh(shard, own.result, own, evidence)
        return State("done" if fresh else "stale", degenerate=own.result.degenerate)
    return _without_result(own)


def _active(own: Evidence, now: float) -> State | None:
    """Running, queued, unknown or lost: somebody has it, or may have it."""
    open_attempt = own.attempts and own.attempts[-1].end is None
    if open_attempt and own.job == "alive":
        return State("running")
    if open_attempt and own.job == "unknown":
        beat = own.heartbeat.time if own.heartbeat else own.attempts[-1].claim.started
        return State("lost" if now - beat > HEARTBEAT_LIMIT_S else "unknown")
    return State("queued") if own.waiting else None


def _fresh(shard: Shard, result: Result, own: Evidence, evidence: Mapping[str, Evidence]) -> bool:
    """The result's parents are today's, and its own artifact, where it is there, is the one."""
    for parent in shard.parents:
        theirs = evidence.get(parent, Evidence()).result
        if theirs and theirs.artifact and result.parents.get(parent) != theirs.artifact.digest:
            return False
    return not (result.artifact and own.artifact) or own.artifact == result.artifact.digest


def _without_result(own: Evidence) -> State:
    attempts, false_starts = own.pardoned
    counted = [attempt for attempt in own.attempts if attempt.claim.attempt > attempts]
    if counted and not _ended_well(counted[-1]):
        failure = failure_of(counted[-1], own.noted)
        earlier = [
            failure_of(attempt, ()).cls for attempt in counted[:-1] if not _ended_well(attempt)
        ]
        retry = retried(failure.cls, [*earlier, failure.cls], _advanced(counted))
        return State("failed", failure=failure, retry=retry)
    starts = own.false_starts[false_starts:]
    if starts:
        failure = Failure(cls="unknown", line=starts[-1])
        return State(
            "failed", failure=failure, retry=retried("unknown", ["unknown"] * len(starts), False)
        )
    return State("missing")


def _ended_well(attempt: Attempt) -> bool:
    return attempt.end is not None and attempt.end.status == "done"


def _advanced(attempts: list[Attempt]) -> bool:
    """Whether the latest stopped attempt got further than the one before it."""
    steps = [attempt.end.step for attempt in attempts if attempt.end]
    return len(steps) < 2 or steps[-1] > steps[-2]


def _blocked(shard: Shard, plan: Plan, found: Mapping[str, State]) -> State | None:
    for parent in shard.parents:
        theirs = found[parent]
        if theirs.name == "blocked":
            return theirs
        if theirs.name in ("failed", "unknown") and not theirs.retry:
            return State("blocked", parent=plan.shards[parent].name)
    return None


def todo(plan: Plan, known: Mapping[str, State], evidence: Mapping[str, Evidence]) -> set[str]:
    """The shards to submit: what is missing, stale or to be retried, and released parents that
    these need again. Never one that is unknown, or whose parent another job has yet to bring."""
    wanted = {
        shard
        for shard, state in known.items()
        if state.name in ("missing", "stale", "lost") or (state.name == "failed" and state.retry)
    }
    for shard in reversed(list(plan.shards.values())):
        if shard.id in wanted:
            wanted |= {parent for parent in shard.parents if _released(parent, known, evidence)}
    startable: set[str] = set()
    for shard in plan.shards.values():
        ready = (parent in startable or known[parent].name == "done" for parent in shard.parents)
        if shard.id in wanted and all(ready):
            startable.add(shard.id)
    return startable


def _released(parent: str, known: Mapping[str, State], evidence: Mapping[str, Evidence]) -> bool:
    return known[parent].name == "done" and evidence[parent].artifact is None
