"""`xtl prepare --update`: what today's revisions would change, shown before anything does."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from jobs.options import print_json
from xtl.data.mirror import Mirror
from xtl.launch.prepare import resolve
from xtl.launch.renewal import Change, changes, replaced
from xtl.launch.session import Session
from xtl.sweep.leaks import require_accepted
from xtl.sweep.plan import make_plan
from xtl.sweep.shard import Shard

_SHOWN = 20  # shards by name; the rest are counted


def renew(opened: Session, console: Console, *, yes: bool, dry_run: bool, json: bool) -> None:
    """Fetch what is newest beside what is locked, and compare. Lock it where that is asked for.

    Shards that are queued or running go on with what they were given: it stays in the mirror.
    """
    assert opened.lock
    if dry_run:
        repos = sorted({opened.lock.model.repo, *(t.repo for t in opened.lock.tables.values())})
        _answer(json, [], [], locked=False, asked=repos)
        Console(quiet=json).print(f"would ask for today's revisions of: {', '.join(repos)}")
        return
    with console.status("asking for today's revisions") as status:
        new = resolve(
            opened.manifest, None, Mirror(opened.mirror), opened.profile.cache_folder(),
            status.update,
        )  # fmt: skip
    require_accepted(opened.manifest, new)
    found = changes(opened.lock, new)
    gone = replaced(opened.plan, make_plan(opened.manifest, new))
    _show(opened, found, gone, Console(highlight=False, quiet=json))
    if found and yes:
        opened.store.write_lock(new)
        opened.forget()
        console.print("locked anew: `xtl prepare` tokenises it, `xtl sweep` runs what is new")
    _answer(json, found, gone, locked=bool(found) and yes, asked=[])


def _answer(
    json: bool, found: list[Change], gone: list[Shard], *, locked: bool, asked: list[str]
) -> None:  # fmt: skip
    if json:
        print_json(
            {
                "changes": [vars(change) for change in found],
                "replaced": [{"id": shard.id, "name": shard.name} for shard in gone],
                "locked": locked,
                "would_ask": asked,
            }
        )


def _show(opened: Session, found: list[Change], gone: list[Shard], console: Console) -> None:
    if not found:
        console.print("all is as it is locked")
        return
    table = Table(title="what would change", title_justify="left")
    for heading in ("model or table", "locked", "today", "rows"):
        table.add_column(heading)
    for change in found:
        rows = f"{change.rows_before:,} → {change.rows_after:,}" if change.rows_after else ""
        same = " (same content)" if change.same else ""
        table.add_row(change.name, change.before[:16], change.after[:16], rows + same)
    console.print(table)
    _show_shards(opened, gone, console)


def _show_shards(opened: Session, gone: list[Shard], console: Console) -> None:
    if not gone:
        console.print("no shard would change")
        return
    _, known = opened.look()
    states = Counter(known[shard.id].name for shard in gone)
    said = ", ".join(f"{count} {name}" for name, count in states.items())
    console.print(f"{len(gone)} shards would be replaced by others ({said}):")
    for shard in gone[:_SHOWN]:
        console.print(f"  {shard.name} ({known[shard.id].name})")
    if len(gone) > _SHOWN:
        console.print(f"  and {len(gone) - _SHOWN} more")
