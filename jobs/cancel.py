"""`xtl cancel`: have shards stop, or taken out of the queue, until a person says otherwise."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from jobs.choosing import Classes, Shards, Sizes, Tasks, choose
from jobs.confirming import confirmed, forget, require_decided, require_unchanged
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, Yes, print_json, session
from jobs.toll import Toll
from jobs.wording import many
from xtl.errors import UserError
from xtl.launch.cancelling import Cancellation, carry_out, what_to_cancel
from xtl.launch.lease import Lease
from xtl.launch.observe import settle
from xtl.launch.session import Session
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.scheduler import SlurmScheduler

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

    --json: `shards`, each with `id`, `name`, `job`, `state` (runs, queued, not submitted), `step`
    of `total`, `unsaved_steps` and `unsaved_device_seconds`, what it is `then` (cancelled, blocked,
    comes back) and the ids that it `blocks`; all ids by what becomes of them; how many jobs are
    `left`, still saving.
    """
    require_decided(json, yes, dry_run)
    opened, console = session(manifest, root, cluster, profile), Console(highlight=False)
    chosen = frozenset(choose(opened.plan, opened.look()[1], shard, cls, size, task))
    everything = not (shard or cls or size or task)
    found = _find(opened, chosen, everything, others, now)
    if not json:
        found.show(console)
    if dry_run or not _is_some(found):
        if json:
            print_json(found.data() | ({} if dry_run else {"left": 0}))
        return
    if not confirmed(console, "Cancel these?", yes):
        raise typer.Exit(1)
    if not yes:
        if found.doomed.returning and not others:
            others = confirmed(console, "Those that would come back too, for good?", False)
        shown, found = found, _find(opened, chosen, everything, others, now)
        require_unchanged(shown.what, found.what, fewer=True)
        if not _is_some(found):
            console.print("nothing is left of that")
            return
    _act(opened, found, chosen, others)
    left = _wait(opened, found.doomed, wait)
    if json:
        print_json(found.data() | {"left": left})
    else:
        console.print(Text(_parting(left)))


def _is_some(found: Toll) -> bool:
    return bool(found.doomed.meant or found.goes_on)


def _find(
    opened: Session, chosen: frozenset[str], everything: bool, others: bool, now: bool
) -> Toll:  # fmt: skip
    """Raises UserError where Slurm does not answer."""
    forget(opened)
    seen, known = opened.look()
    job = opened.reconciler()
    if opened.said or (job and not job.asked):
        raise UserError(f"Slurm does not answer: {opened.said or 'squeue'}: nothing is cancelled")
    led = Lease(opened.store.root).is_led() or job is not None
    doomed = what_to_cancel(opened.plan, known, seen, chosen, led, others)
    if any(each.submission.cluster == "slurm" for each in doomed.jobs) and not _client(opened):
        raise UserError("--cluster: found local, expected slurm, where these jobs are")
    goes_on = job.job if job and everything else ""
    return Toll(opened.plan, doomed, seen.evidence, goes_on, led, now)


def _client(opened: Session) -> Client | None:
    return opened.scheduler.watch.client if isinstance(opened.scheduler, SlurmScheduler) else None


def _act(opened: Session, found: Toll, chosen: frozenset[str], others: bool) -> None:
    """First who would submit, then what is there, then what has been submitted meanwhile."""
    client = _client(opened)
    if client and found.goes_on:
        try:
            client.cancel([found.goes_on])
        except (SlurmSilentError, SlurmRefusedError) as error:
            raise UserError(f"Slurm: {error}: nothing is cancelled") from None
    carry_out(opened.store, found.doomed, client, found.now)
    for _ in range(_LOOKS if found.led else 1):
        new = _new(opened, _find(opened, chosen, False, others, found.now).doomed)
        if new.jobs:
            carry_out(opened.store, new, client, found.now)
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
        forget(opened)
        seen, _ = opened.look()
        settle(opened.store, seen)
        left = [entry for entry in seen.alive if entry.name in names]
        if not left or time.monotonic() > limit:
            return len(left)
        time.sleep(_EVERY_S)


def _parting(left: int) -> str:
    saving = f"{many(left, 'job')} still at it, saving (--now kills them); " if left else ""
    return f"cancelled; {saving}`xtl resubmit --class cancelled` brings them back"
