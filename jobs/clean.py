"""`xtl clean`: delete what a sweep's folder holds and nobody needs any more."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from jobs.columns import plain_table
from jobs.confirming import confirmed, forget, require_decided
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, Yes, print_json, session
from jobs.wording import many
from xtl.errors import UserError
from xtl.launch.cleaning import KINDS, Doomed, what_may_go
from xtl.launch.lease import Lease
from xtl.launch.listing import listing
from xtl.launch.removal import remove
from xtl.launch.session import Session
from xtl.launch.store import Store
from xtl.launch.upkeep import what_is_needed

_SHOWN = 12  # of the largest


def clean(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="Also the logs of jobs that are over, of done shards.")
    ] = False,
    unplanned: Annotated[
        bool,
        typer.Option(
            "--unplanned",
            help="Also models and resume state of shards that the manifest no longer asks for.",
        ),
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", help=f"Leave this kind alone: {', '.join(KINDS)}."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete resume state of done shards, models that no planned child needs, and leftovers.

    Says first what goes, how large it is and why. Never results, predictions, attempts, W&B runs,
    manifest, lock, profile, or what the lock names in the mirror; nothing that a job uses which
    lives, or may live.

    --json: `clean`, each with `kind`, `path`, `bytes`, `files` and `why`; the sums of `bytes` and
    `files`.
    """
    require_decided(json, yes, dry_run)
    for kind in keep or ():
        if kind not in KINDS:
            raise UserError(f"--keep: found {kind!r}, expected one of {', '.join(KINDS)}")
    opened, console = session(manifest, root, cluster, profile), Console(highlight=False)

    def look() -> list[Doomed]:
        found = listing(opened.store.root)
        return what_may_go(found, what_is_needed(opened), time.time(), logs, unplanned, keep or ())

    doomed = look()
    if not json:
        _show(opened, doomed, console)
    if dry_run or not doomed:
        if json:
            print_json(_data(doomed))
        return
    if not confirmed(console, "Delete these?", yes):
        raise typer.Exit(1)
    forget(opened)
    gone = _delete(opened.store, doomed, look)
    if json:
        print_json(_data(gone))
        return
    console.print(f"deleted: {_size(sum(entry.bytes for entry in gone))}")
    if kept := len(doomed) - len(gone):
        console.print(f"{many(kept, 'place')} left alone: needed by now, or gone")


def _delete(store: Store, doomed: list[Doomed], look: Callable[[], list[Doomed]]) -> list[Doomed]:
    """What may still go by a second look, under the launcher's lease if nobody has it."""
    lease = Lease(store.root)
    leads = lease.hold()
    try:
        still = {entry.path for entry in look()}
        gone = [entry for entry in doomed if entry.path in still]
        for entry in gone:
            remove(store.root / entry.path)
    finally:
        if leads:
            lease.release()
    return gone


def _show(opened: Session, doomed: list[Doomed], console: Console) -> None:
    if opened.said:
        console.print(Text(f"Slurm: {opened.said}: what its jobs may use stays"))
    if not doomed:
        console.print("nothing to clean")
        return
    kinds: dict[str, list[Doomed]] = defaultdict(list)
    for entry in doomed:
        kinds[entry.kind].append(entry)
    table = plain_table("what", "why", right=("size", "files", "places"), wrap=True)
    for kind in KINDS:
        if found := kinds.get(kind):
            size = _size(sum(entry.bytes for entry in found))
            why = "; ".join(dict.fromkeys(entry.why for entry in found))
            files = sum(entry.files for entry in found)
            table.add_row(kind, why, size, f"{files:,}", str(len(found)))
    console.print(table)
    largest = sorted(doomed, key=lambda entry: -entry.bytes)[:_SHOWN]
    for entry in largest:
        console.print(Text(f"  {_size(entry.bytes):>9}  {_called(opened, entry.path)}"))
    if doomed[_SHOWN:]:
        console.print(f"  … and {len(doomed) - _SHOWN} more (--json lists all)")
    console.print(f"{_size(sum(entry.bytes for entry in doomed))} in all")


def _called(opened: Session, path: str) -> str:
    """A shard's things by its name for people."""
    parts = path.split("/")
    shard = opened.plan.shards.get(parts[1]) if parts[0] == "shards" else None
    return f"{shard.name}: {'/'.join(parts[2:])}" if shard else path


def _data(doomed: list[Doomed]) -> dict[str, Any]:
    return {
        "clean": [asdict(entry) for entry in doomed],
        "bytes": sum(entry.bytes for entry in doomed),
        "files": sum(entry.files for entry in doomed),
    }


def _size(count: int) -> str:
    """`12.3 MiB`."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and units[1:]:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"
