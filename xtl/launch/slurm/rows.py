"""The rows of squeue and sacct, and how they are read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

QUEUE_FORMAT = "%F|%K|%j|%T|%N|%S|%e|%r"  # the reason last: it is free text
NO_INDEX = -1
ACCOUNT_FIELDS = (
    *("JobID", "State", "ExitCode", "DerivedExitCode", "NodeList", "Start", "End"),
    "JobName",  # the last: a name may hold a |
)


@dataclass(frozen=True)
class Exit:
    """How a job or step ended, `code:signal` as Slurm writes it. A job's code is its script's: of
    srun, whose code is the highest of its tasks', or the signal that ended one."""

    code: int = 0
    signal: int = 0

    def __bool__(self) -> bool:
        return bool(self.code or self.signal)

    def __str__(self) -> str:
        return f"{self.code}:{self.signal}"


@dataclass(frozen=True)
class QueueRow:
    """A job as squeue lists it. Times are in seconds since the epoch, None where there is none."""

    array: str  # job id of its array; its own where it is in none
    index: int  # NO_INDEX: in no array, or what is left of one whose waiting tasks were cancelled
    job: str  # `<array>_<index>`, or the id alone
    name: str
    state: str
    node: str
    start: float | None  # expected, where it waits
    end: float | None
    reason: str
    age_s: float  # since its end, when squeue was asked; 0 before it


@dataclass(frozen=True)
class AccountRow:
    """A job, or a step of one, as sacct lists it."""

    array: str
    index: int
    job: str
    step: str  # empty: the job's own row
    name: str  # a step has one of its own
    state: str  # CANCELLED by UID where a person did it
    node: str
    start: float | None
    end: float | None
    exit: Exit = Exit()
    derived: Exit = Exit()  # of a job: the highest of its steps'
    shared: bool = False  # from the one row of all tasks that have not begun, which may be stale

    @property
    def word(self) -> str:
        return self.state.partition(" ")[0]


def parse_queue(text: str, now: float) -> list[QueueRow]:
    """Rows of `squeue --array --noheader --format=QUEUE_FORMAT`, asked at `now`."""
    return [row for line in text.splitlines() for row in _queue_rows(line.split("|", 7), now)]


def parse_accounts(text: str) -> list[AccountRow]:
    """Rows of `sacct --parsable2 --noheader --format=ACCOUNT_FIELDS`."""
    return [row for line in text.splitlines() for row in _account_rows(line.split("|", 7))]


def _queue_rows(cells: list[str], now: float) -> Iterator[QueueRow]:
    if len(cells) != 8:
        return
    array, indexes, name, state, node, start, end, reason = cells
    over = _time(end)
    for index in _indexes(indexes):
        yield QueueRow(
            array=array,
            index=index,
            job=_job(array, index),
            name=name,
            state=state,
            node=node,
            start=_time(start),
            end=over,
            reason=reason,
            age_s=max(0.0, now - over) if over else 0.0,
        )


def _account_rows(cells: list[str]) -> Iterator[AccountRow]:
    found = re.fullmatch(r"(\d+)(?:_(\d+|\[.*\]))?(?:\.(.+))?", cells[0])
    if len(cells) != 8 or not found:
        return
    array, indexes, step = found[1], found[2] or "N/A", found[3] or ""
    _, state, code, derived, node, start, end, name = cells
    for index in _indexes(indexes.strip("[]")):
        yield AccountRow(
            array=array,
            index=index,
            job=_job(array, index),
            step=step,
            name=name,
            state=state,
            node="" if node == "None assigned" else node,
            start=_time(start),
            end=_time(end),
            exit=_exit(code),
            derived=_exit(derived),
            shared="[" in indexes,
        )


def _job(array: str, index: int) -> str:
    return array if index == NO_INDEX else f"{array}_{index}"


def _indexes(text: str) -> Iterator[int]:
    """Of `3`, or of `0-4,7,10-20:2%5`; NO_INDEX where there is none."""
    if text == "N/A":
        yield NO_INDEX
    for part in text.partition("%")[0].split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if found:
            yield from range(int(found[1]), int(found[2] or found[1]) + 1, int(found[3] or 1))


def _exit(text: str) -> Exit:
    """Of `1:0`; none where there is none, as a step's of a node that failed."""
    found = re.fullmatch(r"(\d+):(\d+)", text)
    return Exit(int(found[1]), int(found[2])) if found else Exit()


def _time(text: str) -> float | None:
    return float(text) if text.isdecimal() and int(text) else None
