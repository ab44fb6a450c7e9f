"""The policy: what is done about a failure, within budgets, and how that is said. Pure.

A job requeues itself for time or preemption alone; every other try is the launcher's. A budget is
counted for each shard, from the last time that it ended well or that a person pardoned it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from xtl.launch.records import Attempt, Claim, Failure, FailureClass
from xtl.sweep.fields import Keys, Positive

Retried = Literal["communication", "node", "host-oom", "unknown"]
Resumed = Literal["preempted", "time-limit"]
Count = Annotated[int, Field(ge=0, le=1000)]

RETRIES: dict[Retried, int] = {"communication": 2, "node": 2, "host-oom": 2, "unknown": 2}
STALLS: dict[Resumed, int] = {"preempted": 10, "time-limit": 3}
MORE_MEMORY = 1.5
"""What a shard that ran out of host memory asks for then, as a multiple of what it had."""
_LEAST_EVALUATION = 4  # halvings of an evaluation's batch, down to some 128 slots
_MOST_HALVINGS = 10
_FULL = 3  # times running without a step further, though the sweep's disk had room again each time
_FULL_ELSEWHERE = (
    "no room again, though the sweep's disk has some: look at its node's /tmp and /dev/shm and at "
    "your quota, then `xtl resubmit`"
)
_STORAGE = "tried again by itself when there is room: nothing of its budget is spent"
_TOO_LARGE = (
    "does not fit with the least batch: give it more ranks, a higher ZeRO stage or a GPU with more "
    "memory, then `xtl resubmit`"
)
_PERSON = "waits for a person: what is wrong must be mended first, then `xtl resubmit`"
_LAST_WORD: dict[FailureClass, str] = {
    "code": "waits for a person: mend the code, then `xtl resubmit --with current`",
    "diverged": "not tried again: that it diverged is its result, and blocks what starts from it",
    "cancelled": "stays cancelled until a person says `xtl resubmit --class cancelled`",
}


class Policy(Keys):
    """A profile's budgets. Classes that are not named keep theirs.

    `retries`: how often a class is tried again by itself; `stalls`: how often a shard may be
    stopped without having got further than before; `same_failure`: the same failure of so many
    shards stops the sweep (null: never); `canary`: the first shard of each kind must pass its first
    updates before others of its kind are submitted; `exclude_hours`: how long a node is left out
    that a log blames its hardware for.
    """

    retries: dict[Retried, Count] = Field(default_factory=lambda: dict(RETRIES))
    stalls: dict[Resumed, Positive] = Field(default_factory=lambda: dict(STALLS))
    same_failure: Annotated[int, Field(ge=2)] | None = 3
    canary: bool = True
    exclude_hours: Annotated[float, Field(ge=0)] = 24.0

    @field_validator("retries")
    @classmethod
    def _all_retries(cls, found: dict[Retried, int]) -> dict[Retried, int]:
        return RETRIES | found

    @field_validator("stalls")
    @classmethod
    def _all_stalls(cls, found: dict[Resumed, int]) -> dict[Resumed, int]:
        return STALLS | found


@dataclass(frozen=True)
class Tries:
    """What of a shard's past counts: attempts with the class that each ended in, oldest first, and
    the classes of jobs that ended before they claimed it, since then."""

    attempts: tuple[Attempt, ...] = ()
    classes: tuple[FailureClass, ...] = ()
    starts: tuple[FailureClass, ...] = ()


@dataclass(frozen=True)
class Outlook:
    """Whether a failed shard is tried again by itself, and what will be done, in words."""

    again: bool
    words: str


def outlook(failure: Failure, tries: Tries, policy: Policy) -> Outlook:
    """What becomes of a shard whose last try ended in `failure`."""
    cls = failure.cls
    if cls in get_args(Resumed):
        return _resumed(cls, tries, policy)
    if cls == "gpu-oom":
        return _retried("unknown", tries, policy, cls) if tries.starts else _halved(tries)
    if cls == "storage":
        stalls = tries.starts.count(cls) - 1 if tries.starts else _stalls(tries)
        return Outlook(True, _STORAGE) if stalls < _FULL else Outlook(False, _FULL_ELSEWHERE)
    if cls == "communication" or cls == "node" or cls == "host-oom" or cls == "unknown":
        return _retried(cls, tries, policy, cls)
    return Outlook(False, _LAST_WORD.get(cls, _PERSON))


def _resumed(cls: FailureClass, tries: Tries, policy: Policy) -> Outlook:
    patience = policy.stalls[cls]  # type: ignore[index]
    if tries.starts:
        stalls, again = tries.starts.count(cls), tries.starts.count(cls) <= patience
    else:
        stalls = _stalls(tries)
        again = stalls < patience
    if again:
        return Outlook(True, "goes on by itself, from its last checkpoint, while steps advance")
    more = "look at its node"
    if cls == "time-limit":
        more = "give it more time (`time` in the profile)"
    return Outlook(False, f"no step further in {stalls} tries: {more}, then `xtl resubmit`")


def _stalls(tries: Tries) -> int:
    """How many attempts ended as the last one did since one of them last got further than all
    before: one may end before its first save, and an evaluation never saves."""
    best, stalls = -1, 0
    for attempt, cls in zip(tries.attempts, tries.classes, strict=True):
        if attempt.saved > best:
            best, stalls = attempt.saved, 0
        elif cls == tries.classes[-1]:
            stalls += 1
    return stalls


def _retried(like: Retried, tries: Tries, policy: Policy, cls: FailureClass) -> Outlook:
    """With the budget of `like`. What ran out of GPU memory before it began ran beside somebody."""
    budget = policy.retries[like]
    spent = (tries.starts or tries.classes).count(cls)
    if spent > budget:
        further = "further try is" if budget == 1 else f"{budget} further tries are"
        return Outlook(False, f"its {further} spent: look, then `xtl resubmit`")
    how = ""
    if cls == "host-oom":
        how = f" with {MORE_MEMORY ** host_ooms(tries):.3g} times the memory, where a node has it"
    return Outlook(True, f"tried again by itself{how} ({spent} of {budget} further tries)")


def host_ooms(tries: Tries) -> int:
    """How often it ran out of host memory: by so many steps is more asked for."""
    return (*tries.classes, *tries.starts).count("host-oom")


def _halved(tries: Tries) -> Outlook:
    claim = tries.attempts[-1].claim
    if claim.stage == "evaluate":
        if claim.halvings < _LEAST_EVALUATION:
            return Outlook(True, "tried again by itself in batches of half the size")
    elif claim.micro_batch > 1:
        half = claim.micro_batch // 2
        words = f"tried again by itself with micro-batch {half}, accumulation doubled"
        return Outlook(True, words)
    return Outlook(False, _TOO_LARGE)


def halvings(last: Claim, ended: FailureClass | None) -> int:
    """How often the batch that a shard runs with next is halved, whatever was pardoned: it goes on
    from a checkpoint that was made with the halved one."""
    return min(_MOST_HALVINGS, last.halvings + int(ended == "gpu-oom"))
