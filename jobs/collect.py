"""`xtl collect`: the W&B runs of a sweep into one table, checked against the results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from jobs.wording import many
from xtl.launch.session import Session
from xtl.launch.states import State

if TYPE_CHECKING:
    from xtl.report.collect import Collected


def collect(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Gather the W&B runs into table.parquet: a row for each cell, language and metric.

    Says where the runs and the result files differ. With --dry-run the table is only shown.
    """
    from xtl.report.collect import collect as gather
    from xtl.report.collect import write_table

    opened = session(manifest, root, cluster, profile)
    collected = gather(opened)
    if not dry_run:
        write_table(opened, collected)
    if json:
        rows = collected.table.to_dict("records")
        print_json({"rows": rows, "differences": [str(d) for d in collected.differences]})
        return
    console = Console(highlight=False)
    show(opened, collected, opened.look()[1], console)
    if not dry_run:
        console.print(f"table: {opened.store.table_path} ({many(len(collected.table), 'row')})")


def collect_and_report(opened: Session, states: Mapping[str, State], console: Console) -> None:
    """What a sweep ends with: the table on disk and in the terminal, and the report."""
    from xtl.report.collect import collect as gather
    from xtl.report.collect import write_table

    collected = gather(opened)
    write_table(opened, collected)
    show(opened, collected, states, console)
    write_report(opened, collected, states)
    console.print(f"report: {opened.store.report_path}")


def show(
    opened: Session, collected: Collected, states: Mapping[str, State], console: Console
) -> None:
    """The table for a terminal, and each difference in a line."""
    from xtl.report.collect import report_data
    from xtl.report.terminal import show as show_tables

    show_tables(console, report_data(opened, collected, states, datetime.now()))
    for difference in collected.differences:
        console.print(Text(str(difference), style="red"))


def write_report(opened: Session, collected: Collected, states: Mapping[str, State]) -> None:
    from xtl.files import write_whole
    from xtl.report.collect import report_data
    from xtl.report.html import render

    data = report_data(opened, collected, states, datetime.now())
    write_whole(opened.store.report_path, render(data))
