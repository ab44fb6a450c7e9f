"""The circuit breaker: the same failure of several shards stops the sweep. Pure.

What a machine did to a shard (a node, a preemption, a full disk) is no sign of a mistake, and never
trips it. A class that is tried again counts when its tries are spent, or when a shard failed in the
same way twice running: by then it is no bad luck.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from xtl.launch.failures import failure_of, fingerprint
from xtl.launch.records import Failure, FailureClass, Pause
from xtl.launch.states import Evidence, State, tries_of

_MACHINES: frozenset[FailureClass] = frozenset(
    {"node", "preempted", "time-limit", "storage", "cancelled", "diverged", "host-oom"}
)


def pause_for(
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
    lifted: Iterable[Pause],
    same_failure: int | None,
    now: float,
) -> Pause | None:
    """Why nothing may be submitted, if so: a full disk, or the same failure of `same_failure`
    shards. What a pause that was lifted named, at the same attempts, no longer counts."""
    old = {
        (pause.fingerprint, shard, attempt)
        for pause in lifted
        for shard, attempt in pause.shards.items()
    }
    groups: dict[str, dict[str, Failure]] = defaultdict(dict)
    for shard, state in known.items():
        failure = state.failure
        if state.name != "failed" or failure is None:
            continue
        if failure.cls == "storage" and not state.retry:  # some other disk is full
            continue
        mark = "storage" if failure.cls == "storage" else fingerprint(failure)
        if (mark, shard, _attempt(evidence[shard])) in old:
            continue
        if mark == "storage" or _counts(state, failure, evidence[shard]):
            groups[mark][shard] = failure
    if full := groups.pop("storage", None):
        return _pause("storage", "storage", full, evidence, now)
    for mark, failures in groups.items():
        if same_failure and len(failures) >= same_failure:
            return _pause("repeated", mark, failures, evidence, now)
    return None


def _counts(state: State, failure: Failure, own: Evidence) -> bool:
    if failure.cls in _MACHINES:
        return False
    halved = failure.cls == "gpu-oom"  # each time with another batch: it may fit yet
    return not state.retry or (not halved and _twice(failure, own))


def _twice(failure: Failure, own: Evidence) -> bool:
    """Whether its last two tries ended alike."""
    if own.false_starts:
        before: Failure | None = own.false_starts[-2] if own.false_starts[1:] else None
    else:
        tries = tries_of(own).attempts
        before = failure_of(tries[-2], tries[-2].noted) if tries[1:] else None
    return before is not None and fingerprint(before) == fingerprint(failure)


def _pause(
    cause: str, mark: str, failures: Mapping[str, Failure], evidence: Mapping[str, Evidence],
    now: float,
) -> Pause:  # fmt: skip
    first = next(iter(failures.values()))
    return Pause.model_validate(
        {
            "cause": cause,
            "line": first.line,
            "fingerprint": mark,
            "shards": {shard: _attempt(evidence[shard]) for shard in failures},
            "since": now,
        }
    )


def _attempt(own: Evidence) -> int:
    """That failed so; of a job that never began, when that was, in ms: a later one is another."""
    if own.false_starts:
        return int(1000 * own.false_starts[-1].time)
    return own.attempts[-1].claim.attempt if own.attempts else 0
