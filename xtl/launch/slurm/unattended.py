"""A sweep with nobody logged in: a one-CPU job that reconciles when the jobs before it are over."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtl.files import write_whole
from xtl.launch.code import command_for
from xtl.launch.observe import Observation
from xtl.launch.records import Submission
from xtl.launch.sight import Sight
from xtl.launch.slurm.arrays import reconciler
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.queue import sights
from xtl.launch.slurm.scheduler import SlurmScheduler, alive_jobs
from xtl.launch.slurm.script import Script, render
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

_LATER = "now+15minutes"  # where nothing runs that could be waited for: the queue was full
_BEGUN_MIN = 5  # after its start, a job is looked at for whether it has passed its first updates
_PAUSE_S = 20  # between tries, where nobody else would try again
_SHARE = 0.6  # of its time limit that the job spends on tries


@dataclass(frozen=True)
class Left:
    """The job that goes on with the sweep; None where there is none, and why."""

    job: str | None
    why: str = ""


def leave_behind(
    scheduler: SlurmScheduler,
    store: Store,
    plan: Plan,
    code: Path,
    look: Callable[[], Observation],
    soon: bool = False,
) -> Left:
    """Submit the job that runs `xtl sweep --once` as soon as one of the live arrays is over
    (`soon`: some minutes after one has begun), in the place of one that waits already. From such a
    job itself, with patience: a chain that broke because slurmctld was being restarted would be of
    no use."""
    if not scheduler.profile.reconcile.enabled:
        return Left(None, "the profile wants none")
    until = time.monotonic() + _SHARE * 60 * scheduler.profile.reconcile.time
    while True:
        try:
            return _leave(scheduler, store, plan, code, look(), soon)
        except (SlurmSilentError, SlurmRefusedError) as error:
            if not is_reconciler(store, plan) or time.monotonic() > until:
                return Left(None, str(error))
        time.sleep(_PAUSE_S)


def find_reconciler(scheduler: SlurmScheduler, store: Store, plan: Plan) -> Sight | None:
    """The job that goes on, as Slurm sees it; None where there is none. Not `asked` where Slurm is
    silent."""
    name = reconciler(store, plan)
    try:
        found = sights(scheduler.watch.client.queue([name]), None).values()
    except (SlurmSilentError, SlurmRefusedError):
        return Sight(asked=False)
    alive = [sight for sight in found if sight.liveness == "alive" and sight.state != "COMPLETING"]
    return max(alive, key=lambda sight: int(sight.job), default=None)


def _leave(
    scheduler: SlurmScheduler, store: Store, plan: Plan, code: Path, seen: Observation, soon: bool
) -> Left:
    there = find_reconciler(scheduler, store, plan)
    if there and not there.asked:
        raise SlurmSilentError("squeue: no answer")
    runs = there is not None and not there.waits and there.job != os.environ.get("SLURM_JOB_ID")
    arrays = sorted({job.partition("_")[0] for job in alive_jobs(seen).values()})
    if soon:
        when = _once_begun(seen)
    else:  # one that runs may be about to end, and leave nobody
        when = _once_over([*arrays, there.job] if there and runs else arrays)
    path = store.root / "reconcile" / "script.sh"
    script = _script(scheduler, store, reconciler(store, plan), code, when)
    write_whole(path, render(script, scheduler.profile), mode=scheduler.profile.secret_mode)
    client = scheduler.watch.client
    try:
        job = client.submit(path)
    except SlurmRefusedError:
        if there and there.waits:  # and takes the last place, perhaps
            return Left(there.job)
        raise
    if there and there.waits:  # for fewer arrays than there are now, or with earlier code
        client.cancel([there.job])
    return Left(job)


@dataclass(frozen=True)
class _When:
    """As sbatch has it: a dependency, or a time to begin."""

    after: str = ""
    begin: str = ""


def _once_over(jobs: Sequence[str]) -> _When:
    after = "?".join(f"afterany:{job}" for job in jobs)
    return _When(after) if after else _When(begin=_LATER)


def _once_begun(seen: Observation) -> _When:
    """Some minutes after the start of the first that begins, or at the end of one, whichever comes
    first. Of one that has begun, some minutes from now: no start is longer ago than its job."""
    jobs = {sight.job.partition("_")[0]: (entry, sight) for entry, sight in _alive(seen)}
    words = []
    for job, (entry, sight) in sorted(jobs.items()):
        ago = 0 if sight.waits else math.ceil((time.time() - entry.created) / 60)
        words += [f"after:{job}+{ago + _BEGUN_MIN}", f"afterany:{job}"]
    return _When("?".join(words)) if words else _When(begin=f"now+{_BEGUN_MIN}minutes")


def _alive(seen: Observation) -> list[tuple[Submission, Sight]]:
    found = ((entry, seen.sights[entry.name]) for entry in seen.alive)
    return [(entry, sight) for entry, sight in found if sight.liveness == "alive" and sight.job]


def is_reconciler(store: Store, plan: Plan) -> bool:
    """Whether this process is the job that goes on with the sweep."""
    return os.environ.get("SLURM_JOB_NAME") == reconciler(store, plan)


def _script(scheduler: SlurmScheduler, store: Store, name: str, code: Path, when: _When) -> Script:
    root = store.root.absolute()
    sweep = ("jobs.main", "sweep", "--once", "--root", str(root), "--cluster", "slurm")
    return Script(
        name=name,
        tasks=1,
        ranks=1,
        minutes=scheduler.profile.reconcile.time,
        command=command_for(code.absolute(), *sweep),
        root=root,
        logs=root / "reconcile",
        after=when.after,
        begin=when.begin,
        alone=True,
    )
