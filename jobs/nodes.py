"""`xtl nodes`: which nodes a sweep leaves out, and taking one back."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.live import duration
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from xtl.errors import UserError
from xtl.launch.nodes import spared_line
from xtl.launch.records import ExcludedNode


def nodes(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    readmit: Annotated[
        list[str] | None,
        typer.Option("--readmit", help="Send jobs to this node again. May be given again."),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show the nodes that a log blames for a failure: no job is sent there for some time.

    How long is the profile's `policy.exclude_hours`. What began there so far no longer counts
    against a node that is readmitted; what begins next does. Jobs that are in the queue by then
    still go without it. Of nodes with one fault three are left
    out, and the others kept: it may be no node's own, but, say, of a driver that all have.
    """
    store, now = session(manifest, root, cluster, profile).store, time.time()
    there, kept = store.nodes.excluded(now), store.nodes.spared(now)
    wanted = _named(readmit or [], there)
    if not dry_run:
        for node in wanted:
            store.nodes.readmit(node, now)
    if json:
        left = [entry.model_dump() for entry in there if entry.node not in wanted]
        spared = [entry.model_dump() for entry in kept]
        print_json({"excluded": left, "kept": spared, "readmitted": wanted})
        return
    console = Console(highlight=False)
    console.print(_table(there, now) if there else "no node is left out")
    for entry in kept:
        console.print(Text(spared_line(entry)))
    for node in wanted:
        console.print(f"{node}: {'would be' if dry_run else 'is'} readmitted")


def _named(wanted: list[str], there: list[ExcludedNode]) -> list[str]:
    known = [entry.node for entry in there]
    for node in wanted:
        if node not in known:
            among = f"one of {', '.join(known)}" if known else "none, as no node is left out"
            raise UserError(f"--readmit: found {node}, expected {among}")
    return wanted


def _table(entries: list[ExcludedNode], now: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("node", "for another", "why"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        table.add_row(entry.node, duration(entry.until - now), Text(entry.line))
    return table
