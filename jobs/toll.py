"""What `xtl cancel` would end, and at what price: for people before it asks, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.columns import plain_table
from jobs.ids import beginnings
from jobs.table import clock
from jobs.wording import many, some
from xtl.launch.cancelling import AtStake, Cancellation, CancelledJob, at_stake
from xtl.launch.states import Evidence
from xtl.sweep.descent import descendants
from xtl.sweep.plan import Plan

_SHOWN = 40  # rows of a preview


@dataclass(frozen=True)
class Row:
    """A shard that ends. `job` is its id, of a local one the submission's name; None: not sent."""

    shard: str
    state: str  # runs, queued, or not submitted
    meant: bool = True
    job: CancelledJob | None = None
    stake: AtStake | None = None


@dataclass(frozen=True)
class Toll:
    """What is to be cancelled, the evidence for it, and the job that goes on with the sweep. `led`:
    somebody would submit what is missing; `now`: without time to save."""

    plan: Plan
    doomed: Cancellation
    evidence: dict[str, Evidence]
    goes_on: str = ""
    led: bool = False
    now: bool = False

    @property
    def rows(self) -> list[Row]:
        doomed = self.doomed
        sent = [
            self._row(key, job, meant)
            for job in doomed.jobs
            for keys, meant in ((job.meant, True), (job.others, False))
            for key in keys
        ]
        return sent + [Row(key, "not submitted") for key in doomed.unsent]

    def _row(self, key: str, job: CancelledJob, meant: bool) -> Row:
        own = self.evidence[key]
        runs = bool(own.attempts) and own.attempts[-1].end is None and own.job == "alive"
        state, stake = ("runs", at_stake(own)) if runs else ("queued", None)
        return Row(key, state, meant, job, stake)

    @property
    def what(self) -> dict[str, object]:
        """What a person agrees to, by name: of what is killed at once, whether it runs too."""
        found: dict[str, object] = {
            self.plan.shards[row.shard].name: row.state if self.now else "" for row in self.rows
        }
        return found | ({f"job {self.goes_on}": ""} if self.goes_on else {})

    def data(self) -> dict[str, Any]:
        """`then`: what becomes of a shard, cancelled, blocked, or that it comes back; `blocks`:
        what waits until it is done."""
        doomed = self.doomed
        return {
            "cancel": doomed.meant,
            "in_the_same_jobs": doomed.others,
            "not_submitted": list(doomed.unsent),
            "out_of_reach": list(doomed.out_of_reach),
            "blocked": list(doomed.blocked),
            "jobs": [job_of(job) for job in doomed.jobs],
            "shards": [self._data(row) for row in self.rows],
            "reconciler": self.goes_on or None,
        }

    def _data(self, row: Row) -> dict[str, Any]:
        key, stake, blocked = row.shard, row.stake, self.doomed.blocked
        comes = descendants(self.plan, [key]) if row.meant and blocked else ()
        end = "cancelled" if row.meant else "blocked" if key in blocked else "comes back"
        return {
            "id": key,
            "name": self.plan.shards[key].name,
            "job": row.job and job_of(row.job),
            "state": row.state,
            "step": stake and stake.step,
            "total": stake and stake.total,
            "unsaved_steps": stake and stake.steps,
            "unsaved_device_seconds": stake and stake.device_seconds,
            "then": end,
            "blocks": [shard for shard in comes if shard in blocked],
        }

    def show(self, console: Console) -> None:
        if self.rows:
            self._show_rows(console)
        for line in self._lines():
            console.print(Text(line))

    def _show_rows(self, console: Console) -> None:
        table = plain_table("shard", "is", "job", right=("at", "unsaved"), wrap=True)
        ids = beginnings(self.plan)
        for row in self.rows[:_SHOWN]:
            stake = row.stake
            at, unsaved = (f"{stake.step}/{stake.total}", str(stake.steps)) if stake else ("", "")
            name = self.plan.shards[row.shard].name + ("" if row.meant else " (in the same job)")
            job = _told(row.job) if row.job else ""
            named = f"{ids.get(row.shard, '')} {name}".lstrip()
            table.add_row(Text(named), row.state, job, at, unsaved)
        console.print(table)
        if self.rows[_SHOWN:]:
            console.print(f"… and {len(self.rows) - _SHOWN} more")

    def _lines(self) -> Iterator[str]:
        doomed = self.doomed
        if doomed.others:
            yield self._others()
        if elsewhere := set(doomed.blocked).difference(doomed.others):
            more = many(len(elsewhere), "more shard", "come")
            yield f"{more} of these, blocked until they are done"
        if lost := doomed.out_of_reach:
            names = some([self.plan.shards[key].name for key in lost], 3)
            yield f"left alone, as nobody knows their jobs: {len(lost)} ({names})"
        if self.goes_on:
            yield f"job {self.goes_on}, which goes on with the sweep, is cancelled too"
        if doomed.meant:
            yield self._sum()
        elif not self.goes_on:
            yield "nothing of that runs, or waits in a queue"

    def _others(self) -> str:
        """What becomes of those that end for the others' sake."""
        back = len(self.doomed.returning)
        stay = len(self.doomed.others) - back
        told = [f"{back} come back by themselves (--others: not)"] if back > 1 else []
        told += ["1 comes back by itself (--others: not)"] if back == 1 else []
        told += [f"{stay} {'is' if stay == 1 else 'are'} blocked by what is cancelled"] * (stay > 0)
        return f"{many(back + stay, 'other', 'end')} with the same jobs: {', '.join(told)}"

    def _sum(self) -> str:
        doomed = self.doomed
        sent, unsent = len(doomed.meant) - len(doomed.unsent), len(doomed.unsent)
        told = [f"{many(sent, 'shard')} in {many(len(doomed.jobs), 'job')}"] if sent else []
        told += [f"{many(unsent, 'shard')} not submitted yet"] if unsent else []
        risk = sum(row.stake.device_seconds for row in self.rows if row.stake)
        fate = "lost" if self.now else "unsaved as yet"
        price = f"; {clock(risk)} of device time are {fate}" if risk else ""
        return " and ".join(told) + price


def _told(job: CancelledJob) -> str:
    if not job.sent:
        return "being sent"
    return job.sight.job or "here"


def job_of(job: CancelledJob) -> str:
    return job.sight.job or job.submission.name
