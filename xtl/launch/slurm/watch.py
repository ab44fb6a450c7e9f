"""What Slurm says of a sweep's jobs: one squeue and one sacct, whatever their number."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from xtl.launch.records import Batch, Submission
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.queue import sights
from xtl.launch.slurm.rows import AccountRow, QueueRow
from xtl.launch.store import Store

ORPHAN_S = 15.0
"""How long after its batch went to disk (or, before that, the last submission for it) a job without
an id may still turn up by name. A later one does no harm: its attempt is taken, and it leaves, or
it is asked about again once it has claimed another."""

JobKey = tuple[str, int]
"""A batch's name, and the index in its array."""


@dataclass(frozen=True)
class Answer:
    """What squeue and sacct said of some jobs. Not `complete`: one of them was silent, and what
    is absent may be there. `heard`: squeue was not, and lists it no more."""

    asked: float  # seconds since the epoch
    names: frozenset[str]
    sights: Mapping[JobKey, Sight]
    complete: bool
    heard: bool


class Watch:
    """Looks at jobs by the names of their arrays, not more often than every `poll_seconds`."""

    def __init__(
        self,
        client: Client,
        poll_seconds: float = 30.0,
        accounting: Literal["auto"] | bool = "auto",
    ) -> None:
        self.client, self.poll_seconds, self.accounting = client, poll_seconds, accounting
        self.said = ""  # why Slurm last did not answer
        self._answer: Answer | None = None

    def forget(self) -> None:
        """Something was submitted: the last answer is too old."""
        self._answer = None

    def look(self, store: Store, submissions: Sequence[Submission]) -> dict[str, Sight]:
        """The word on each of these submissions (one at least)."""
        batches = {name: store.batches.find(name) for name in {one.batch for one in submissions}}
        jobs, written = _jobs(batches.values()), _written(submissions, batches)
        answer = self._latest(store, submissions, jobs.values())
        return {
            entry.name: _sight(store, jobs.get(entry.name), answer, written[entry.batch])
            for entry in submissions
        }

    def _latest(
        self, store: Store, submissions: Sequence[Submission], jobs: Collection[JobKey]
    ) -> Answer:
        names = frozenset(name for name, _ in jobs)
        last = self._answer
        if last and names <= last.names and 0 <= time.time() - last.asked < self.poll_seconds:
            return last
        since = min(entry.created for entry in submissions)
        self._answer = self._ask(names, since, jobs, partial(_began, store))
        return self._answer

    def _ask(
        self,
        names: frozenset[str],
        since: float,
        jobs: Collection[JobKey],
        began: Callable[[JobKey], bool],
    ) -> Answer:
        queue: list[QueueRow] | None = None
        accounts: list[AccountRow] | None = None
        self.said, complete, asked = "", False, time.time()
        try:
            queue = self.client.queue(sorted(names))
            if self._has_accounting():
                accounts = self.client.accounts(sorted(names), since)
            complete = True
        except (SlurmSilentError, SlurmRefusedError) as error:
            self.said = str(error)
        found = sights(queue, accounts, jobs, began)
        return Answer(asked, names, found, complete, heard=queue is not None)

    def _has_accounting(self) -> bool:
        return self.client.has_accounting if self.accounting == "auto" else self.accounting


def _sight(store: Store, job: JobKey | None, answer: Answer, written: float) -> Sight:
    """`written`: when what its array runs was last added to on disk."""
    perhaps = answer.asked - written < ORPHAN_S
    if job is None:  # its launcher died before the batch was on disk, or is about to write it
        return _never_sent(perhaps)
    found, known = answer.sights.get(job), store.batches.job(job[0])
    if found and (known is None or found.job.partition("_")[0] in ("", known.id)):
        return found
    if known is None and answer.complete:
        return _never_sent(perhaps)
    return Sight(asked=answer.heard)


def _written(
    submissions: Sequence[Submission], batches: Mapping[str, Batch | None]
) -> dict[str, float]:
    """When each batch went to disk, or where it has not, the newest submission of its name: a large
    array is drafted for longer than any one may be missing."""
    latest: dict[str, float] = {}
    for entry in submissions:
        batch = batches[entry.batch]
        drafted = max(entry.created, latest.get(entry.batch, 0.0))
        latest[entry.batch] = batch.created if batch else drafted
    return latest


def _jobs(batches: Iterable[Batch | None]) -> dict[str, JobKey]:
    """Submission → its job, of all that these batches bring."""
    return {
        submission: (batch.name, index)
        for batch in batches
        if batch
        for index, submission in enumerate(batch.submissions)
    }


def _began(store: Store, job: JobKey) -> bool:
    """Whether it has a log, which is there before it claims anything."""
    name, index = job
    return any((store.batches.folder(name) / "logs").glob(f"*_{index}_*_log.*"))


def _never_sent(perhaps: bool) -> Sight:
    """Slurm has not heard of it: no try was used up."""
    return Sight("unknown" if perhaps else "gone", dropped=True)
