"""Everything that a shard's folder tells, in one reading. What is over is remembered from one look
to the next, as most of a large sweep is: of a shard that is done, a look takes a few stats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from xtl.launch.records import Attempt, FalseStart, Result
from xtl.launch.store import Store


@dataclass(frozen=True)
class Traces:
    """As the store's methods of these names give them; `taken` is its latest attempt."""

    result: Result | None
    artifact: str | None
    attempts: tuple[Attempt, ...]
    taken: int
    false_starts: tuple[FalseStart, ...]
    pardoned: int


def traces_of(store: Store, shard: str) -> Traces:
    """With each attempt but the latest, and that one too if it is done, from memory where nothing
    was added to its folder; the result, the artifact's digest and the pardon, where their files are
    as they were. What runs, or may yet be told more of, is read afresh."""
    memo = store.memo
    attempts, taken = _attempts(store, shard)
    found = memo.of(store.result_path(shard), partial(store.record_of_result, shard))
    pardon = memo.of(store.pardon_path(shard), partial(store.pardon_of, shard)) or {}
    return Traces(
        result=store.proven(shard, found),
        artifact=memo.of(store.digest_path(shard), partial(store.artifact_digest, shard)),
        attempts=attempts,
        taken=taken,
        false_starts=tuple(store.counting(store.noted_false_starts(shard), taken, pardon)),
        pardoned=int(pardon.get("attempts", 0)),
    )


def _attempts(store: Store, shard: str) -> tuple[tuple[Attempt, ...], int]:
    """From one listing, which is never remembered: a claim counts at once."""
    numbers, found, taken = store.numbers(shard), [], 0
    for number in numbers:
        latest = number == numbers[-1]
        attempt = store.memo.of(
            store.attempt_folder(shard, number),
            partial(store.attempt, shard, number),
            _is_done if latest else _is_one,
        )
        if attempt is not None:
            found.append(attempt)
        if attempt is not None or store.is_claimed(shard, number):
            taken = number
    return tuple(found), taken


def _is_one(attempt: Attempt | None) -> bool:
    return attempt is not None


def _is_done(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.end is not None and attempt.end.status == "done"
