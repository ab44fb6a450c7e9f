"""What a sweep's folder keeps of a shard's past, as accounting needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xtl.files import names_in
from xtl.launch.failures import failure_of
from xtl.launch.records import Attempt, Failure, FailureClass, Result
from xtl.launch.states import Evidence
from xtl.launch.store import Store


@dataclass(frozen=True)
class History:
    """A shard's attempts, oldest first, and its result. `causes`: of each attempt the class that
    it ended in, to be looked at where it is over without having finished; `forced`: attempts whose
    result a person has set aside."""

    attempts: tuple[Attempt, ...] = ()
    causes: tuple[FailureClass, ...] = ()
    result: Result | None = None
    forced: frozenset[int] = frozenset()


def from_evidence(store: Store, evidence: Mapping[str, Evidence]) -> dict[str, History]:
    """Of what was looked at already; reads what is not in it: why earlier attempts ended."""
    return {
        shard: read_history(store, shard, own.attempts, own.result, own.noted)
        for shard, own in evidence.items()
        if own.attempts
    }


def from_store(store: Store, shards: Iterable[str]) -> dict[str, History]:
    """Of the folder alone: what launchers have noted, without the scheduler's word."""
    found = {shard: store.attempts(shard) for shard in shards}
    return {
        shard: read_history(store, shard, attempts, store.result(shard))
        for shard, attempts in found.items()
        if attempts
    }


def read_history(
    store: Store,
    shard: str,
    attempts: Sequence[Attempt],
    result: Result | None,
    noted: Sequence[Failure] | None = None,
) -> History:
    """`noted`: on the latest attempt; None: as the folder keeps it."""
    causes = []
    for attempt in attempts:
        words = attempt.noted if noted is None or attempt is not attempts[-1] else noted
        causes.append(failure_of(attempt, words).cls)
    return History(tuple(attempts), tuple(causes), result, _forced(store, shard, attempts, result))


def _forced(
    store: Store, shard: str, attempts: Sequence[Attempt], result: Result | None
) -> frozenset[int]:
    """Attempts that keep a result which was set aside: those of a result that is none now."""
    over = [
        entry.claim.attempt
        for entry in attempts
        if entry.end and entry.end.status == "done"
        and (result is None or entry.claim.attempt != result.attempt)
    ]  # fmt: skip
    folder = store.shard(shard) / "attempts"
    return frozenset(
        number
        for number in over
        if any(name.startswith("result.json") for name in names_in(folder / f"{number:04}"))
    )
