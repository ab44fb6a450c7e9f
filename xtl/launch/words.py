"""What is known of an attempt that is over, beside its ranks' own words: its scheduler's, its
heartbeat, and the root line of its logs. Looked up once, and kept with it."""

from __future__ import annotations

from xtl.launch.failures import root_cause
from xtl.launch.logs import root_line, root_line_of_job
from xtl.launch.records import Attempt, Failure, Heartbeat, Submission
from xtl.launch.sight import Sight
from xtl.launch.store import Store

LOGS = "logs"
"""Whose word the logs' root line is kept as: `failure-logs.json`."""


def keep_words(
    store: Store, shard: str, attempt: Attempt, said: Failure | None, sight: Sight, now: float
) -> None:
    """Note why an attempt did not finish whose job has ended; `said`: a person's word, or the
    scheduler's."""
    if _finished(attempt):
        return
    number = attempt.claim.attempt
    scheduler = scheduler_word(attempt, said, sight, store.heartbeat(shard, number), now)
    if scheduler:
        store.note_failure(shard, number, scheduler)
    found = _in_logs(store, attempt, said)
    if found:
        store.note_failure(shard, number, found, LOGS)


def words_on(
    store: Store, shard: str, attempt: Attempt, sight: Sight | None, now: float
) -> tuple[Failure, ...]:
    """All of them on an attempt that did not end well, as kept, or as they would be: the same
    before its job's end was noticed by a launcher as after."""
    if _finished(attempt):
        return ()
    noted = attempt.noted
    if sight is None or sight.liveness not in ("gone", "lost"):
        said = [sight.failure] if sight and sight.failure else []
        return (*noted, *said)
    beat = store.heartbeat(shard, attempt.claim.attempt)
    scheduler = scheduler_word(attempt, sight.failure, sight, beat, now)
    found = _in_logs(store, attempt, sight.failure)
    return (*noted, *(entry for entry in (found, scheduler) if entry and entry not in noted))


def scheduler_word(
    attempt: Attempt, said: Failure | None, sight: Sight, beat: Heartbeat | None, now: float
) -> Failure | None:
    """With the job's exit codes and signals, and the rank's last sign of life, as facts. Unknown
    where they tell no more than that it is over."""
    facts = said.facts if said and said.facts else sight.facts
    if attempt.end is None and beat:
        facts = (*facts, _pulse(beat, now))
    if said:
        return said.model_copy(update={"facts": facts})
    if not facts or (attempt.end and attempt.end.status == "stopped"):
        return None
    return Failure(cls="unknown", line=facts[0], node=sight.node, facts=facts)


def false_start(store: Store, submission: Submission, sight: Sight, last_words: str) -> Failure:
    """Why a job ended before it claimed anything."""
    logs = root_line_of_job(store, submission, told=_is_told(sight.failure))
    found = [entry for entry in (logs, sight.failure) if entry]
    root = root_cause(found)
    facts = tuple(dict.fromkeys((*sight.facts, *(fact for entry in found for fact in entry.facts))))
    if root is None or root.cls == "communication":
        said = (root.line if root else last_words) or "it left no word"
        line = f"job {submission.name} ended before it began: {said}"
        return Failure(cls="unknown", line=line, node=sight.node, facts=facts)
    return root.model_copy(update={"facts": facts})


def _in_logs(store: Store, attempt: Attempt, said: Failure | None) -> Failure | None:
    """Of one that was asked to stop, and did, no log need tell why."""
    stopped = attempt.end is not None and attempt.end.status == "stopped"
    return None if stopped else root_line(store, attempt, told=_is_told(said))


def _is_told(said: Failure | None) -> bool:
    return said is not None and said.cls != "unknown"


def _pulse(beat: Heartbeat, now: float) -> str:
    silent = f"{max(0.0, now - beat.time):.0f} s before its end was noticed"
    return f"last heartbeat: step {beat.step} of {beat.total}, {silent}"


def _finished(attempt: Attempt) -> bool:
    return attempt.end is not None and attempt.end.status == "done"
