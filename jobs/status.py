"""`xtl status`: the state of every shard, from its folder and the scheduler."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.live import STYLE, counts_line, duration
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
                "failure": state.failure and state.failure.model_dump(),
                "retry": state.retry,
                "blocked_by": state.parent,
                "degenerate": state.degenerate,
            }
            for shard, state in known.items()
        ],
    }


def _table(opened: Session, shown: dict[str, State], evidence: dict[str, Evidence]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("shard", "state", "tries", "host", "step", "last"):
        table.add_column(heading, overflow="fold" if heading == "shard" else "ellipsis")
    for shard, state in shown.items():
        table.add_row(opened.plan.shards[shard].name, _word(state), *_where(evidence[shard]))
    return table


def _word(state: State) -> Text:
    word = Text(state.name, style=STYLE.get(state.name, ""))
    if state.failure:
        word.append(f" ({state.failure.cls}{', again' if state.retry else ''})")
    if state.parent:
        word.append(f" by {state.parent}")
    return word.append(" (degenerate)") if state.degenerate else word


def _where(evidence: Evidence) -> tuple[str, str, str, str]:
    """Tries, host, step and the last metric, with the age of the heartbeat."""
    if not evidence.attempts:
        return "0", "", "", ""
    beat = evidence.heartbeat
    step = f"{beat.step}/{beat.total}" if beat else ""
    metric = f"loss {beat.metric:.3f}, " if beat and beat.metric is not None else ""
    age = f"{metric}{duration(time.time() - beat.time)} ago" if beat else ""
    return str(len(evidence.attempts)), evidence.attempts[-1].claim.host, step, age
