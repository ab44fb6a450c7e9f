"""`xtl status`: the state of every shard, from its folder and the scheduler."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from jobs.live import counts_line
from jobs.options import Cluster, Json, Manifest, NothingToDry, Profile, Root, print_json, session
from jobs.table import below, node, seconds_left, table
from xtl.launch.lease import Lease
from xtl.launch.profile import SlurmProfile
from xtl.launch.session import Session
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State


def status(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    every: Annotated[bool, typer.Option("--all", help="Show shards that are done, too.")] = False,
    dry_run: NothingToDry = False,
    json: Json = False,
) -> None:
    """Show what is done, runs, waits or failed, and why. Changes nothing."""
    opened = session(manifest, root, cluster, profile)
    observation, known = opened.look()
    job = _unattended(opened)
    if json:
        print_json(_data(opened, known, observation.evidence, job))
        return
    console = Console(highlight=False)
    console.print(Text(f"{opened.manifest.name}: ").append(counts_line(known)))
    if opened.said:
        console.print(Text(f"Slurm: {opened.said}: what follows is what the files say"))
    elif line := _goes_on(opened, known, job):
        console.print(Text(line))
    shown = {shard: state for shard, state in known.items() if every or _tells(state)}
    if shown:
        console.print(table(opened.plan, shown, observation.evidence, console.width))
    lines = below(opened.plan, shown, observation.evidence)
    if lines:
        console.print("", *lines, sep="\n")


def _tells(state: State) -> bool:
    return state.name not in ("done", "missing") or state.degenerate


def _unattended(opened: Session) -> Sight | None:
    """The job that goes on with the sweep; None where there is none. Not `asked` where Slurm does
    not answer."""
    if not isinstance(opened.profile, SlurmProfile):
        return None
    return Sight(asked=False) if opened.said else opened.reconciler()


def _goes_on(opened: Session, known: dict[str, State], job: Sight | None) -> str:
    """Who submits what is missing yet: a job, or nobody. Nothing to say where a launcher leads."""
    if job and not job.asked:
        return ""
    if job:
        why = f": {job.reason}" if job.reason else ""
        return f"job {job.job} goes on by itself ({job.state}{why})"
    began = isinstance(opened.profile, SlurmProfile) and opened.store.batches.count() > 0
    is_left = any(map(_is_left, known.values()))
    if not began or not is_left or Lease(opened.store.root).is_led():
        return ""
    return "nobody goes on by itself: run `xtl sweep`, or `xtl sweep --detach`"


def _is_left(state: State) -> bool:
    """Whether a launcher has, or will have, to do with it."""
    return state.name not in ("done", "blocked") and (state.name != "failed" or state.retry)


def _data(
    opened: Session, known: dict[str, State], evidence: dict[str, Evidence], job: Sight | None
) -> dict[str, Any]:
    locked = opened.plan.locked
    return {
        "sweep": opened.manifest.name,
        "unattended": _going_on(job),
        "shards": [
            {
                "id": shard if locked else None,
                "name": opened.plan.shards[shard].name,
                "stage": opened.plan.shards[shard].stage,
                "state": state.name,
                "attempts": len(evidence[shard].attempts),
                **_place(evidence[shard]),
                "failure": state.failure and state.failure.model_dump(),
                "retry": state.retry,
                "blocked_by": state.parent,
                "degenerate": state.degenerate,
            }
            for shard, state in known.items()
        ],
    }


def _going_on(job: Sight | None) -> dict[str, Any] | None:
    if job is None or not job.asked:
        return None
    return {"job": job.job, "state": job.state, "waits_for": job.reason or None}


def _place(own: Evidence) -> dict[str, Any]:
    """Where a shard is, and what its job waits for."""
    beat, sight = own.heartbeat, own.sight
    return {
        "job": (sight.job if sight else "") or None,
        "node": node(own) or None,
        "waits_for": (sight.reason if sight else "") or None,
        "step": beat and beat.step,
        "total": beat and beat.total,
        "seconds_left": seconds_left(own),
        "loss": beat and beat.metric,
    }
