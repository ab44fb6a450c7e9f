"""`xtl report`: one HTML file with the pictures, the table and all that explains them."""

from __future__ import annotations

from rich.console import Console

from jobs.collect import write_report
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session


def report(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write report/index.html from what is there now; a sweep need not be finished."""
    from xtl.report.collect import collect as gather

    opened = session(manifest, root, cluster, profile)
    collected = gather(opened)
    _, states = opened.look()
    if not dry_run:
        write_report(opened, collected, states)
    path = opened.store.report_path
    if json:
        print_json({"report": None if dry_run else str(path)})
        return
    Console(highlight=False).print(f"{'would write' if dry_run else 'report:'} {path}")
