"""`xtl cancel`: have shards stop, or taken out of the queue, until a person says otherwise."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from jobs.choosing import Classes, Shards, Sizes, Tasks, choose
from jobs.columns import plain_table
from jobs.confirming import confirmed
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, Yes, print_json, session
from jobs.table import clock
from xtl.errors import UserError
from xtl.launch.cancelling import Cancellation, at_stake, carry_out, what_to_cancel
from xtl.launch.lease import Lease
from xtl.launch.observe import settle
from xtl.launch.session import Session
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.scheduler import SlurmScheduler
from xtl.launch.states import Evidence

_SHOWN = 40  # rows of a preview
_LOOKS = 5  # for what a launcher submits while it is being cancelled
_EVERY_S = 1.0


def cancel(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    shard: Shards = None,
    cls: Classes = None,
    size: Sizes = None,
    task: Tasks = None,
    others: Annotated[
        bool,
        typer.Option(
            "--others", help="Also for good: what is in the same jobs, and would come back."
        ),
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Kill what runs, without the time to save.")
    ] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for the jobs' end.")
    ] = 30.0,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Stop what runs, and take out of the queue what waits; all of it, or what the filters leave.

    Says first which jobs that are and what may be lost. What runs saves a checkpoint, then ends.
    A cancelled shard is never run again unasked: `xtl resubmit --class cancelled` does. Without a
    filter, the job that goes on with a detached sweep is cancelled too.
    """
    opened, console = session(manifest, root, cluster, profile), Console(highlight=False)
    chosen = frozenset(choose(opened.plan, opened.look()[1], shard, cls, size, task))
    everything = not (shard or cls or size or task)
    found = _find(opened, chosen, everything, others)
    if dry_run and json:
        print_json(_data(found))
        return
    if not json:
        _show(opened, found, console, now)
    if dry_run or not (found.doomed.meant or found.goes_on):
        if json:
            print_json(_data(found) | {"left": 0})
        return
    if not confirmed(console, "Cancel these?", yes):
        raise typer.Exit(1)
    if found.doomed.others and not (yes or others):
        others = confirmed(console, "Those that are in the same jobs too, for good?", False)
        found = _find(opened, chosen, everything, others)
    _act(opened, found, chosen, others, now)
    left = _wait(opened, found.doomed, wait)
    if json:
        print_json(_data(found) | {"left": left})
    else:
        console.print(Text(_parting(left)), soft_wrap=True)


@dataclass(frozen=True)
class Found:
    """What is to be cancelled, the evidence for it, and the job that goes on with the sweep."""

    doomed: Cancellation
    evidence: dict[str, Evidence]
    goes_on: str = ""
    led: bool = False


def _find(opened: Session, chosen: frozenset[str], everything: bool, others: bool) -> Found:
    """Raises UserError where Slurm does not answer."""
    if isinstance(opened.scheduler, SlurmScheduler):
        opened.scheduler.watch.forget()
    seen, known = opened.look()
    job = opened.reconciler()
    if opened.said or (job and not job.asked):
        raise UserError(f"Slurm does not answer: {opened.said or 'squeue'}: nothing is cancelled")
    led = Lease(opened.store.root).is_led() or job is not None
    doomed = what_to_cancel(opened.plan, known, seen, chosen, led, others)
    if any(each.submission.cluster == "slurm" for each in doomed.jobs) and not _client(opened):
        raise UserError("--cluster: found local, expected slurm, where these jobs are")
    return Found(doomed, seen.evidence, job.job if job and everything else "", led)


def _client(opened: Session) -> Client | None:
    return opened.scheduler.watch.client if isinstance(opened.scheduler, SlurmScheduler) else None


def _act(
    opened: Session, found: Found, chosen: frozenset[str], others: bool, now: bool
) -> None:  # fmt: skip
    """First who would submit, then what is there, then what has been submitted meanwhile."""
    client = _client(opened)
    if client and found.goes_on:
        try:
            client.cancel([found.goes_on])
        except (SlurmSilentError, SlurmRefusedError) as error:
            raise UserError(f"Slurm: {error}: nothing is cancelled") from None
    carry_out(opened.store, found.doomed, client, now)
    for _ in range(_LOOKS if found.led else 1):
        new = _new(opened, _find(opened, chosen, False, others).doomed)
        if new.jobs:
            carry_out(opened.store, new, client, now)
        if found.led:
            time.sleep(_EVERY_S)


def _new(opened: Session, doomed: Cancellation) -> Cancellation:
    """Of it, the jobs that have not been told yet."""
    told = opened.store.submissions.cancelled
    return Cancellation(tuple(job for job in doomed.jobs if told(job.submission.name) is None))


def _wait(opened: Session, doomed: Cancellation, seconds: float) -> int:
    """Until the jobs are over, `seconds` at most; how many are not. What ended is settled, so that
    whoever looks next finds it cancelled."""
    names = {job.submission.name for job in doomed.jobs}
    limit = time.monotonic() + seconds
    while True:
        if isinstance(opened.scheduler, SlurmScheduler):
            opened.scheduler.watch.forget()
        seen, _ = opened.look()
        settle(opened.store, seen)
        left = [entry for entry in seen.alive if entry.name in names]
        if not left or time.monotonic() > limit:
            return len(left)
        time.sleep(_EVERY_S)


def _show(opened: Session, found: Found, console: Console, now: bool) -> None:
    doomed, plan = found.doomed, opened.plan
    if doomed.meant or doomed.others:
        _show_shards(opened, found, console)
    if doomed.others:
        console.print(
            f"{len(doomed.others)} of these are in the same jobs: they end too, and come back by "
            "themselves (--others: not)",
            soft_wrap=True,
        )
    if doomed.out_of_reach:
        names = "; ".join(plan.shards[key].name for key in doomed.out_of_reach[:3])
        count = len(doomed.out_of_reach)
        console.print(Text(f"left alone, as nobody knows their jobs: {count} ({names})"))
    if found.goes_on:
        console.print(f"job {found.goes_on}, which goes on with the sweep, is cancelled too")
    if doomed.meant:
        console.print(_sum(found, now), soft_wrap=True)
    elif not found.goes_on:
        console.print("nothing of that runs, or waits in a queue")


def _show_shards(opened: Session, found: Found, console: Console) -> None:
    table = plain_table("shard", "is", "job", right=("at", "unsaved"), wrap=True)
    rows = [
        (key, "runs" if _runs(found, key) else "queued", job.sight.job or "here", key in job.others)
        for job in found.doomed.jobs
        for key in (*job.meant, *job.others)
    ] + [(key, "not sent", "", False) for key in found.doomed.unsent]
    for key, state, job, other in rows[:_SHOWN]:
        stake = at_stake(found.evidence[key]) if state == "runs" else None
        at = f"{stake.step}/{stake.total}" if stake else ""
        unsaved = str(stake.steps) if stake else ""
        name = opened.plan.shards[key].name + (" (in the same job)" if other else "")
        table.add_row(Text(name), state, job, at, unsaved)
    console.print(table)
    if rows[_SHOWN:]:
        console.print(f"… and {len(rows) - _SHOWN} more")


def _runs(found: Found, key: str) -> bool:
    own = found.evidence[key]
    return bool(own.attempts) and own.attempts[-1].end is None and own.job == "alive"


def _sum(found: Found, now: bool) -> str:
    doomed = found.doomed
    stakes = [at_stake(found.evidence[key]) for key in (*doomed.meant, *doomed.others)]
    at_risk = sum(stake.device_seconds for stake in stakes if stake)
    shards, jobs = _many(len(doomed.meant), "shard"), _many(len(doomed.jobs), "job")
    if now:
        return f"{shards} in {jobs}; {clock(at_risk)} of device time are lost"
    return f"{shards} in {jobs}; {clock(at_risk)} of device time are unsaved as yet"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _data(found: Found) -> dict[str, Any]:
    return {
        "cancel": found.doomed.meant,
        "in_the_same_jobs": found.doomed.others,
        "not_submitted": list(found.doomed.unsent),
        "out_of_reach": list(found.doomed.out_of_reach),
        "jobs": [job.sight.job or job.submission.name for job in found.doomed.jobs],
        "reconciler": found.goes_on or None,
    }


def _parting(left: int) -> str:
    saving = f"{left} of the jobs are still saving (--now kills them); " if left else ""
    return f"cancelled; {saving}`xtl resubmit --class cancelled` brings them back"
