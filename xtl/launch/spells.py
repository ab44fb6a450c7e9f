"""Spells: what each attempt at a shard took of its devices, and what its outcome came to. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xtl.launch.histories import History
from xtl.launch.records import Attempt, FailureClass
from xtl.launch.states import State
from xtl.sweep.shard import Shard

Redone = Literal["stale", "forced", "lost", "start-up"]
"""Beside failures: a result that a parent's new artifact has made worthless, that a person has had
made again, or that was no longer there; and a start-up that a resumed attempt repeats."""
Cause = FailureClass | Redone


@dataclass(frozen=True)
class Spell:
    """What one attempt took, in device-milliseconds, and how far it came.

    `began`: the step that it went on from, None where it ended in its start-up; `saved`: the one
    that another can go on from; `cause`: why it ended, of one that is over.
    """

    number: int
    start_up: int
    work: int
    began: int | None
    step: int
    saved: int
    ending: Literal["done", "open", "over"]
    cause: FailureClass = "unknown"

    @property
    def whole(self) -> bool:
        """Nothing of it is to be made again, as far as is known."""
        return self.ending != "over"


def beginnings(histories: Mapping[str, History]) -> dict[tuple[str, int], float]:
    """When each attempt began to occupy its devices: the first of a process when that was launched,
    the others when the one before ended."""
    processes: dict[tuple[str, str, int], list[Attempt]] = defaultdict(list)
    for history in histories.values():
        for attempt in history.attempts:
            claim = attempt.claim
            processes[claim.submission, claim.job, claim.restarts].append(attempt)
    found: dict[tuple[str, int], float] = {}
    for attempts in processes.values():
        free = -float("inf")
        for attempt in sorted(attempts, key=lambda entry: entry.claim.started):
            claim = attempt.claim
            launched = claim.started if claim.launched is None else claim.launched
            found[claim.shard, claim.attempt] = min(claim.started, max(launched, free))
            free = _over(attempt)
    return found


def _over(attempt: Attempt) -> float:
    """When it ended, or gave its last sign of life."""
    if attempt.end:
        return attempt.end.finished
    return attempt.beat.time if attempt.beat else attempt.claim.started


def make_spells(
    shard: Shard, state: State, history: History, begun: Mapping[tuple[str, int], float]
) -> list[Spell]:
    return [
        _spell(shard, state, history, attempt, cause, begun[attempt.claim.shard, number])
        for attempt, cause in zip(history.attempts, history.causes, strict=True)
        for number in [attempt.claim.attempt]
    ]


def _spell(
    shard: Shard, state: State, history: History, attempt: Attempt, cause: FailureClass,
    begun: float,
) -> Spell:  # fmt: skip
    claim, end, beat, over = attempt.claim, attempt.end, attempt.beat, _over(attempt)
    ending: Literal["done", "open", "over"] = "over"
    if _is_the_results(history, attempt) or (end and end.status == "done"):
        ending = "done"
    elif end is None and attempt is history.attempts[-1] and state.name in ("running", "unknown"):
        ending = "open"
    step = max(end.step if end else 0, beat.step if beat else 0, attempt.saved)
    moved = ending == "done" or step > 0
    ready = beat.ready if beat and beat.ready is not None else claim.started if moved else over
    began = beat.began if beat else 0
    training = history.result.training if history.result else None
    if training and _is_the_results(history, attempt):
        began = training.resumed_from
    if shard.stage == "evaluate":
        began = 0  # it always begins anew
    ready, over = max(begun, ready), max(begun, over)
    return Spell(
        number=claim.attempt,
        start_up=_ms(min(ready, over) - begun, claim.world_size),
        work=_ms(over - min(ready, over), claim.world_size),
        began=began if moved or (beat and beat.ready is not None) else None,
        step=step,
        saved=attempt.saved,
        ending=ending,
        cause=cause,
    )


def _is_the_results(history: History, attempt: Attempt) -> bool:
    return history.result is not None and attempt.claim.attempt == history.result.attempt


def _ms(seconds: float, devices: int) -> int:
    return round(1000 * seconds) * devices


def lost_of(
    shard: Shard, state: State, spells: Sequence[Spell], history: History,
    histories: Mapping[str, History],
) -> dict[int, Cause]:  # fmt: skip
    """Attempts whose outcome came to nothing: results that count no longer, and the last one of a
    shard that nothing will go on with until a person has looked at it."""
    found: dict[int, Cause] = {}
    for spell, attempt in zip(spells, history.attempts, strict=True):
        if spell.ending == "done" and _is_the_results(history, attempt):
            if state.name == "stale" or _is_stale(history, histories):
                found[spell.number] = "stale"
        elif spell.ending == "done":
            anew = any(_made_after(histories.get(key), _over(attempt)) for key in shard.parents)
            reason: Cause = "stale" if anew else "lost"
            found[spell.number] = "forced" if spell.number in history.forced else reason
    if spells and spells[-1].ending == "over" and state.name == "failed" and not state.retry:
        found[spells[-1].number] = spells[-1].cause
    return found


def _is_stale(history: History, histories: Mapping[str, History]) -> bool:
    """A parent has handed over something else since."""
    for parent, digest in (history.result.parents if history.result else {}).items():
        theirs = histories[parent].result if parent in histories else None
        if theirs and theirs.artifact and theirs.artifact.digest != digest:
            return True
    return False


def _made_after(parent: History | None, when: float) -> bool:
    ended = [attempt.end for attempt in parent.attempts if attempt.end] if parent else []
    return any(end.status == "done" and end.finished > when for end in ended)
