"""`xtl sweep`: submit what is missing, follow it, end with the table and the report."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

from jobs.collect import collect_and_report
from jobs.live import Progress, counts_line
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from jobs.plan import show as show_plan
from jobs.prepare import ensure_prepared, show_wanted
from xtl.launch.launcher import Launcher, Look
from xtl.launch.session import Session

_EVERY_S = 1.0


def sweep(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave at once; it goes on.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run a whole sweep: prepare, submit what is missing and only that, follow, report.

    Run it again at any time: what is done stays done, what runs is left alone, what failed for
    a passing reason is tried again. Ctrl-C leaves the running shards alone.
    """
    opened = session(manifest, root, cluster, profile)
    console = Console(stderr=json, highlight=False)
    if dry_run:
        _preview(opened, console, json)
        return
    opened.require_runnable()
    if detach:
        opened.settle_in()
        _detach(opened, cluster, profile, console)
        return
    ensure_prepared(opened, console)
    opened.settle_in()
    look = _follow(opened, console)
    collect_and_report(opened, look.states, console)
    if json:
        print_json({"submitted": look.submitted, "states": _counts(look)})
    raise typer.Exit(0 if set(_counts(look)) == {"done"} else 1)


def _follow(opened: Session, console: Console) -> Look:
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
        console.print(
            "left; the shards that run go on, and `make sweep` follows them again.\n"
            f"To have them save and stop too: pkill -f {opened.store.submissions.root.resolve()}",
            soft_wrap=True,
        )
        raise
    finally:
        launcher.lease.release()
    console.print(f"{look.submitted} submitted; ", counts_line(look.states), sep="")
    return look


def _counts(look: Look) -> dict[str, int]:
    return dict(Counter(state.name for state in look.states.values()))


def _preview(opened: Session, console: Console, json: bool) -> None:
    """What would be submitted, from what is on disk now."""
    _, known, decision = Launcher(opened).decide()
    if json:
        jobs = [[_entry(opened, *entry) for entry in bundle] for bundle in decision.bundles]
        print_json({"jobs": jobs, "releases": list(decision.releases)})
        return
    if opened.lock is None:
        show_wanted(opened, console)
    show_plan(opened, console)
    console.print(counts_line(known))
    console.print(
        f"would submit {len(decision.bundles)} jobs:" if decision.bundles else "nothing to submit"
    )
    for bundle in decision.bundles:
        names = [opened.plan.shards[shard].name for shard, _ in bundle]
        console.print(f"  {names[0]}" + (f"  (+{len(names) - 1} more)" if names[1:] else ""))


def _entry(opened: Session, shard: str, attempt: int) -> dict[str, object]:
    """Without a lock a shard has no id yet."""
    found = opened.plan.shards[shard]
    return {"shard": shard if opened.plan.locked else None, "name": found.name, "attempt": attempt}


def _detach(opened: Session, cluster: str, profile: str | None, console: Console) -> None:
    """The same verb in a process of its own, with its words in launcher.log."""
    root = opened.store.root
    command = [
        sys.executable,
        "-m",
        "jobs.main",
        "sweep",
        "--root",
        str(root.resolve()),
        "--manifest",
        str(opened.store.manifest_path.resolve()),
        "--cluster",
        cluster,
    ]
    command += ["--profile", profile] if profile else []
    with (root / "launcher.log").open("a") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    console.print(f"the sweep goes on by itself (process {process.pid}); see {log.name}")
