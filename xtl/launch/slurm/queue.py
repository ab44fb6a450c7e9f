"""What Slurm's two memories say of jobs, and what that means. Pure.

squeue is the controller: it knows at once, and forgets a job some minutes after its end. sacct is
the database: it never forgets, and is seconds late. A job that an answering controller does not
list has ended, or is newer than the answer; only the database can tell which, once it has the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from xtl.launch.records import Failure
from xtl.launch.sight import Liveness, Sight
from xtl.launch.slurm.ends import Account, cancelled, facts, why
from xtl.launch.slurm.reasons import is_stuck, remedy, words
from xtl.launch.slurm.rows import AccountRow, QueueRow

LAG_S = 60.0  # so long after its end a job's last rows are awaited from the database

ALIVE = frozenset(
    {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"}
    | {"RESIZING", "STAGE_OUT", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
    | {"RESV_DEL_HOLD", "EXPEDITING", "POWER_UP_NODE", "UPDATE_DB"}
)
_ENDED = frozenset(
    {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"}
    | {"OUT_OF_MEMORY", "DEADLINE", "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL"}
)
_TELLS_LATER = frozenset({"FAILED", "TIMEOUT", "CANCELLED"})  # of which the database knows more


def sights(
    queue: Iterable[QueueRow] | None,
    accounts: Iterable[AccountRow] | None,
    expected: Collection[tuple[str, int]] = (),
    began: Callable[[tuple[str, int]], bool] = lambda _: False,
) -> dict[tuple[str, int], Sight]:
    """What is known of each job, by (job name, array index). Jobs that neither knows are absent.

    `queue` and `accounts` are None where they did not answer; so is `accounts` where there are
    none. Of `expected` jobs, those are found to be cancelled that vanished from a known array: a
    task that a person cancels while it waits leaves no other trace. Nor does one that ran, while
    the database works off a backlog: `began` says of a vanished job whether it left a sign
    elsewhere, and is asked of no other.
    """
    queued = {(row.array, row.index): row for row in queue or ()}
    booked = _booked(accounts or ())
    found: dict[tuple[str, int], tuple[int, Sight]] = {}
    for job in {**queued, **booked}:
        row, account = queued.get(job), booked.get(job)
        sight = _sight(row, account, queue is not None, accounts is not None)
        name = row.name if row else booked[job].row.name
        rank = _certainty(sight) * 10**12 + int(job[0])  # of two arrays of a name, the later one
        if rank >= found.get((name, job[1]), (-1, sight))[0]:
            found[name, job[1]] = (rank, sight)
    known = {key: sight for key, (_, sight) in found.items()}
    if queue is not None and accounts is not None:
        open_ = {key for key in expected if key not in known or known[key].liveness == "unknown"}
        vanished = _vanished(queued.values(), booked, open_)
        known |= {key: sight for key, sight in vanished.items() if not began(key)}
    return known


def _booked(accounts: Iterable[AccountRow]) -> dict[tuple[str, int], Account]:
    """The database's rows by job. A task's own row outdoes the one that it shared before."""
    rows = list(accounts)
    jobs: dict[tuple[str, int], Account] = {}
    for row in sorted(rows, key=lambda row: not row.shared):
        if not row.step:
            jobs[row.array, row.index] = Account(row)
    for row in rows:
        job = jobs.get((row.array, row.index))
        if job and row.step:
            jobs[row.array, row.index] = replace(job, steps=(*job.steps, row))
    return jobs


def _sight(row: QueueRow | None, account: Account | None, asked: bool, books: bool) -> Sight:
    if row is None:
        assert account is not None
        return _from_accounts(account) if asked else _from_accounts_alone(account)
    if row.state in ALIVE:
        return _alive(row)
    ended = account if account and account.row.word in _ENDED else None
    if row.state not in _ENDED or (books and not ended and _is_awaited(row)):
        return Sight("unknown", row.state, node=row.node, job=row.job)
    return _over(row, ended)


def _alive(row: QueueRow) -> Sight:
    sight = Sight("alive", row.state, node=row.node, job=row.job)
    if not sight.waits:
        return sight
    said = row.reason
    return replace(sight, reason=words(said), stuck=is_stuck(said), remedy=remedy(said))


def _is_awaited(row: QueueRow) -> bool:
    """The database will soon say who cancelled it, or that a step ran out of memory."""
    return row.state in _TELLS_LATER and row.age_s < LAG_S and not _never_began(row)


def _never_began(row: QueueRow) -> bool:
    return row.state == "CANCELLED" and not row.node


def _over(row: QueueRow, ended: Account | None) -> Sight:
    """Ended, by the controller's word, with what the database adds."""
    state = ended.row.state if ended and ended.row.word == row.state else row.state
    if _never_began(row):
        if state != row.state or not (ended or _is_dropped(row)):  # by a UID, or as scancel does
            return Sight("gone", state, failure=_cancelled(state, waited=True), job=row.job)
        return Sight("gone", state, words(row.reason), dropped=True, job=row.job)
    failure, said = why(state, row.node, ended), facts(state, ended)
    if state == "CANCELLED" and ended is None:
        failure = _cancelled(state, waited=False)
    return Sight("gone", state, node=row.node, failure=failure, facts=said, job=row.job)


def _is_dropped(row: QueueRow) -> bool:
    """Cancelled by the scheduler, whose reason stays; at times it gives no start, which scancel
    always does."""
    return row.reason == "DependencyNeverSatisfied" or row.start is None


def _from_accounts(account: Account) -> Sight:
    """The controller answered, and has it no more. What the database takes for alive may be old."""
    row = account.row
    if row.word not in _ENDED:
        return Sight("unknown", row.state, node=row.node, job=row.job)
    if row.state == "CANCELLED" and row.start is None:
        return Sight("gone", row.state, dropped=True, job=row.job)
    failure, said = why(row.state, row.node, account), facts(row.state, account)
    return Sight("gone", row.state, node=row.node, failure=failure, facts=said, job=row.job)


def _from_accounts_alone(account: Account) -> Sight:
    """The controller is silent: a job that ended badly may be in its queue again."""
    row = account.row
    if row.word in ALIVE:
        return Sight("alive", row.state, node=row.node, asked=False, job=row.job)
    over: Liveness = "gone" if row.word == "COMPLETED" else "unknown"
    return Sight(over, row.state, node=row.node, asked=False, job=row.job)


def _cancelled(state: str, waited: bool) -> Failure:
    return Failure(cls="cancelled", line=cancelled(state, waited))


def _certainty(sight: Sight) -> int:
    return {"alive": 2, "unknown": 1}.get(sight.liveness, 0)


def _vanished(
    rows: Iterable[QueueRow],
    booked: dict[tuple[str, int], Account],
    expected: Collection[tuple[str, int]],
) -> dict[tuple[str, int], Sight]:
    """Tasks of an array that the controller has, which neither it nor the database ever began."""
    arrays: dict[str, str] = {}
    listed = set()
    for row in sorted(rows, key=lambda row: int(row.array)):
        listed.add((row.name, row.index))
        arrays[row.name] = row.array  # the latest
    found = {}
    for name, index in expected:
        account = booked.get((arrays.get(name, ""), index))
        if name in arrays and (name, index) not in listed and (not account or account.row.shared):
            line = "a person cancelled it while it waited (its array has it no more)"
            failure = Failure(cls="cancelled", line=line)
            job = f"{arrays[name]}_{index}"
            found[name, index] = Sight("gone", "CANCELLED", failure=failure, job=job)
    return found
