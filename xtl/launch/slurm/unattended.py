"""A sweep with nobody logged in: a one-CPU job that reconciles when the jobs before it are over."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from xtl.launch.code import command_for
from xtl.launch.observe import Observation
from xtl.launch.sight import Sight
from xtl.launch.slurm.queue import sights
from xtl.launch.slurm.scheduler import SlurmScheduler, alive_jobs, reconciler
from xtl.launch.slurm.script import Script, render
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

_LATER = "now+15minutes"  # where nothing runs that could be waited for: the queue was full


def leave_behind(
    scheduler: SlurmScheduler, store: Store, plan: Plan, code: Path, seen: Observation
) -> str | None:
    """Submit the job that runs `xtl sweep --once` as soon as one of the live arrays is over.

    Its id; None where the profile has none, or one waits already. Raises SlurmSilentError and
    SlurmRefusedError.
    """
    client, profile = scheduler.watch.client, scheduler.profile
    name = reconciler(store, plan)
    if not profile.reconcile.enabled or _waits(sights(client.queue([name]), None).values()):
        return None
    path = store.root / "reconcile" / "script.sh"
    path.parent.mkdir(exist_ok=True)
    path.write_text(render(_script(scheduler, store, name, code, seen), profile), encoding="utf-8")
    return client.submit(path)


def _waits(found: Iterable[Sight]) -> bool:
    """Whether another one will still leave one behind itself."""
    own = os.environ.get("SLURM_JOB_ID")
    return any((sight.waits or sight.state == "RUNNING") and sight.job != own for sight in found)


def _script(
    scheduler: SlurmScheduler, store: Store, name: str, code: Path, seen: Observation
) -> Script:
    root = str(store.root.resolve())
    arrays = sorted({job.partition("_")[0] for job in alive_jobs(seen).values()})
    sweep = ("jobs.main", "sweep", "--once", "--root", root, "--cluster", "slurm")
    return Script(
        name=name,
        tasks=1,
        ranks=1,
        minutes=scheduler.profile.reconcile.time,
        command=command_for(code.resolve(), *sweep),
        root=store.root.resolve(),
        logs=store.root.resolve() / "reconcile",
        after="?".join(f"afterany:{array}" for array in arrays),
        begin="" if arrays else _LATER,
        alone=True,
    )
