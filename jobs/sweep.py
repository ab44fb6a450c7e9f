"""`xtl sweep`: submit what is missing, follow it, end with the table and the report."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from jobs.collect import collect_and_report
from jobs.live import Progress, against, counts_line, notices, paused
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from jobs.plan import show as show_plan
from jobs.prepare import ensure_prepared, is_resolved, require_prepared, show_wanted
from jobs.wording import many, say
from xtl.errors import UserError
from xtl.launch.launcher import Launcher, Look
from xtl.launch.profile import SlurmProfile
from xtl.launch.session import Session
from xtl.launch.slurm.unattended import Left

_EVERY_S = 1.0


def sweep(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave at once; it goes on.")] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Look, submit what is missing now, and leave.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run a whole sweep: prepare, submit what is missing and only that, follow, report.

    Run it again at any time: what is done stays done, what runs is left alone, what failed for
    a passing reason is tried again. Ctrl-C leaves the running shards alone.

    On Slurm, --detach leaves a small job behind that goes on when the first jobs are over; it runs
    `xtl sweep --once`, as a line of scrontab may do instead.
    """
    opened = session(manifest, root, cluster, profile)
    console = Console(stderr=json, highlight=False)
    if dry_run:
        _preview(opened, console, json)
        return
    known = opened.lock is None or is_resolved(opened)
    if known and not once:  # a step that goes wrong must still leave somebody who takes the next
        opened.require_runnable()
    if opened.derived:
        say(console, _derived(opened))
    if detach and opened.profile.cluster == "local":
        opened.settle_in()
        _detach(opened, console)
        return
    if once:
        require_prepared(opened)
    else:
        ensure_prepared(opened, console)
        opened.require_runnable()
    look, left = _step(opened, console) if once or detach else (_follow(opened, console), None)
    if look.over:
        collect_and_report(opened, look.states, console)
    if json:
        unattended = {"unattended": asdict(left)} if left else {}
        print_json({"submitted": look.submitted, "states": _counts(look), **unattended})
    raise typer.Exit(_exit_status(opened, look, left))


def _exit_status(opened: Session, look: Look, left: Left | None) -> int:
    """1 where it is over and something is missing, or nobody goes on who should."""
    if look.over:
        return 0 if set(_counts(look)) == {"done"} else 1
    profile = opened.profile
    wanted = isinstance(profile, SlurmProfile) and profile.reconcile.enabled
    return 1 if left and left.job is None and wanted else 0


def _step(opened: Session, console: Console) -> tuple[Look, Left | None]:
    """One step, and on Slurm a job that takes the next when these are over."""
    launcher = Launcher(opened, unattended=True)
    try:
        opened.settle_in()
        look = launcher.step()
    except (UserError, OSError):
        launcher.leave_behind(only_itself=True)
        raise
    finally:
        launcher.lease.release()
    if look.submitted:
        look = replace(look, states=opened.look()[1])  # with what was just submitted
    console.print(f"{look.submitted} submitted; ", counts_line(look.states), sep="")
    if look.said:
        say(console, against(look.said))
    for line in (*look.did, *(notice.plain for notice in notices(look))):
        say(console, line)
    left = None if look.over else launcher.leave_behind(soon=look.held > 0)
    if left:
        say(console, _goes_on(left))
    return look, left


def _goes_on(left: Left) -> str:
    if left.job:
        return f"job {left.job} goes on when these are over; `xtl status` tells"
    why = f" ({left.why})" if left.why else ""
    return f"nobody goes on by itself{why}: run `xtl sweep --once` again when these are over"


def _follow(opened: Session, console: Console) -> Look:
    opened.settle_in()
    launcher = Launcher(opened)
    try:
        with Progress(opened, console) as progress:
            while True:
                look = launcher.step()
                progress.show(look)
                if look.over:
                    break
                time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        console.print(_parting(opened), soft_wrap=True)
        raise
    finally:
        launcher.lease.release()
    console.print(f"{look.submitted} submitted; ", counts_line(look.states), sep="")
    if look.pause:
        say(console, Text(paused(look.pause), style="red"))
    return look


def _derived(opened: Session) -> str:
    """What was chosen where no profile was named."""
    profile = opened.profile
    assert isinstance(profile, SlurmProfile)
    device = f"{profile.gpus_per_node} GPUs a node" if profile.gpus_per_node else "CPUs"
    return (
        f"no profile is named: partition {profile.partition}, {device}, as Slurm describes them; "
        "`xtl profile` writes this to a file that you can edit"
    )


def _parting(opened: Session) -> str:
    return (
        "left; the shards that run go on, and `make sweep` follows them again.\n"
        f"To have them save and stop too: xtl cancel --root {opened.store.root}"
    )


def _counts(look: Look) -> dict[str, int]:
    return dict(Counter(state.name for state in look.states.values()))


def _preview(opened: Session, console: Console, json: bool) -> None:
    """What would be submitted, from what is on disk now; on Slurm with the scripts themselves."""
    launcher = Launcher(opened)
    observation, known, decision = launcher.decide()
    scripts = launcher.scripts(decision, observation) if opened.plan.locked else []
    if json:
        jobs = [[_entry(opened, *entry) for entry in job.shards] for job in decision.bundles]
        held = [[_entry(opened, *entry) for entry in job.shards] for job in decision.held]
        found = {"jobs": jobs, "held": held, "releases": list(decision.releases)}
        pause = decision.pause and decision.pause.model_dump()
        print_json(found | {"scripts": scripts, "pause": pause})
        return
    if opened.lock is None:
        show_wanted(opened, console)
    show_plan(opened, console)
    console.print(counts_line(known))
    now, later = many(len(decision.bundles), "job"), many(len(decision.held), "job")
    console.print(f"would submit {now}:" if decision.bundles else "nothing to submit")
    for bundle in decision.bundles:
        names = [opened.plan.shards[shard].name for shard in bundle.members]
        console.print(f"  {names[0]}" + (f"  (+{len(names) - 1} more)" if names[1:] else ""))
    if decision.held:
        console.print(f"and {later} when the first of their kind have passed their first updates")
    if decision.pause:
        say(console, Text(paused(decision.pause), style="red"))
    for script in scripts:
        console.rule(style="dim")
        console.print(Text(script), soft_wrap=True)


def _entry(opened: Session, shard: str, attempt: int) -> dict[str, object]:
    """Without a lock a shard has no id yet."""
    found = opened.plan.shards[shard]
    return {"shard": shard if opened.plan.locked else None, "name": found.name, "attempt": attempt}


def _detach(opened: Session, console: Console) -> None:
    """The same verb in a process of its own, with its words in launcher.log."""
    root = opened.store.root
    command = [
        *(sys.executable, "-m", "jobs.main", "sweep"),
        *("--root", str(root.resolve()), "--cluster", opened.profile.cluster),
    ]
    with (root / "launcher.log").open("a") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    console.print(f"the sweep goes on by itself (process {process.pid}); see {log.name}")
