"""`xtl status`: the state of every shard, from its folder and the scheduler."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.live import STYLE, Pace, counts_line, duration
from jobs.options import Cluster, Json, Manifest, NothingToDry, Profile, Root, print_json, session
from xtl.launch.session import Session
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
    if json:
        print_json(_data(opened, known, observation.evidence))
        return
    console = Console(highlight=False)
    console.print(Text(f"{opened.manifest.name}: ").append(counts_line(known)))
    if opened.said:
        console.print(Text(f"Slurm: {opened.said}: what follows is what the files say"))
    shown = {shard: state for shard, state in known.items() if every or _tells(state)}
    if shown:
        console.print(_table(opened, shown, observation.evidence))
    for shard, state in shown.items():
        if state.failure:
            console.print(Text(f"{opened.plan.shards[shard].name}: {state.failure.line}"))


def _tells(state: State) -> bool:
    return state.name not in ("done", "missing") or state.degenerate


def _data(
    opened: Session, known: dict[str, State], evidence: dict[str, Evidence]
) -> dict[str, Any]:
    locked = opened.plan.locked
    return {
        "sweep": opened.manifest.name,
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


def _place(own: Evidence) -> dict[str, Any]:
    """Where a shard is, and what its job waits for."""
    beat, sight = own.heartbeat, own.sight
    return {
        "job": (sight.job if sight else "") or None,
        "node": _node(own) or None,
        "waits_for": (sight.reason if sight else "") or None,
        "step": beat and beat.step,
        "total": beat and beat.total,
        "seconds_left": seconds_left(own),
        "loss": beat and beat.metric,
    }


def _table(opened: Session, shown: dict[str, State], evidence: dict[str, Evidence]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("shard", "state", "tries", "node", "step", "left", "last"):
        fold = heading in ("shard", "state")
        table.add_column(heading, overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for shard, state in shown.items():
        own = evidence[shard]
        tries = str(len(own.attempts))
        row = (_word(state, own), tries, _node(own), _step(own), _left(own), _last(own))
        table.add_row(opened.plan.shards[shard].name, *row)
    return table


def _word(state: State, evidence: Evidence) -> Text:
    word = Text(state.name, style=STYLE.get(state.name, ""))
    if state.failure:
        word.append(f" ({state.failure.cls}{', again' if state.retry else ''})")
    if state.parent:
        word.append(f" by {state.parent}")
    if state.name == "queued" and evidence.sight and evidence.sight.reason:
        word.append(f" ({evidence.sight.reason})", style="dim")
    return word.append(" (degenerate)") if state.degenerate else word


def _node(evidence: Evidence) -> str:
    if evidence.sight and evidence.sight.node:
        return evidence.sight.node
    return evidence.attempts[-1].claim.host if evidence.attempts else ""


def _step(evidence: Evidence) -> str:
    beat = evidence.heartbeat
    return f"{beat.step}/{beat.total}" if beat else ""


def seconds_left(evidence: Evidence) -> float | None:
    """Of a running shard, by its pace since its latest attempt began."""
    beat, attempts = evidence.heartbeat, evidence.attempts
    if beat is None or not attempts or attempts[-1].end:
        return None
    start = attempts[-2].saved if len(attempts) > 1 else 0  # where the one before had saved
    return Pace(attempts[-1].claim.started, start).left(beat)


def _left(evidence: Evidence) -> str:
    left = seconds_left(evidence)
    return duration(left) if left is not None else ""


def _last(evidence: Evidence) -> str:
    """The last metric, with the age of the heartbeat that brought it."""
    beat = evidence.heartbeat
    if beat is None:
        return ""
    metric = f"loss {beat.metric:.3f}, " if beat.metric is not None else ""
    return f"{metric}{duration(time.time() - beat.time)} ago"
