"""`xtl prepare --update`: what today's revisions would change, shown before anything does."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.locked import short, show_locked
from jobs.steps import Steps
from jobs.wording import many, say
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.prepare import resolve
from xtl.launch.renewal import Change, changes, replaced
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.sweep.lock import Lock
from xtl.sweep.plan import make_plan
from xtl.sweep.reading import read_manifest
from xtl.sweep.shard import Shard

_SHOWN = 20  # shards by name; the rest are counted


@dataclass(frozen=True)
class Renewal:
    """What differs from the lock; the shards that would be replaced, each with its state."""

    changes: tuple[Change, ...] = ()
    replaced: tuple[tuple[Shard, State], ...] = ()
    locked: bool = False  # it was asked for, and done
    would_ask: tuple[str, ...] = ()  # repos, in a dry run

    def as_data(self) -> dict[str, Any]:
        shards = [
            {"id": shard.id, "name": shard.name, "state": state.name}
            for shard, state in self.replaced
        ]
        return {
            "changes": [asdict(change) for change in self.changes],
            "replaced": shards,
            "locked": self.locked,
            "would_ask": list(self.would_ask),
        }


def renew(opened: Session, console: Console, *, yes: bool, dry_run: bool, json: bool) -> Renewal:
    """Fetch what is newest beside what is locked, and compare. Lock it where that is asked for.

    Shards that are queued or running go on with what they were given: it stays in the mirror.
    """
    assert opened.lock
    out = Console(highlight=False, quiet=json)
    if dry_run:
        repos = {opened.lock.model.repo, *(table.repo for table in opened.lock.tables.values())}
        say(out, f"would ask for today's revisions of: {', '.join(sorted(repos))}")
        return Renewal(would_ask=tuple(sorted(repos)))
    new = _newest(opened, console)
    found = Renewal(tuple(changes(opened.lock, new)), tuple(_replaced(opened, new, out)))
    _show(found, out)
    differs = new != opened.lock
    if not (differs and yes):
        if differs:
            out.print("nothing is locked anew yet: `xtl prepare --update --yes` does")
        return found
    opened.store.write_lock(new)
    opened.forget()
    opened.settle_in()
    show_locked(opened.manifest, new, console)
    out.print("locked anew: `xtl prepare` tokenises it, `xtl sweep` runs what is new")
    return replace(found, locked=True)


def _newest(opened: Session, console: Console) -> Lock:
    """Today's lock. UserError where it would be refused; then all stays as it is."""
    mirror, cache = Mirror(opened.mirror), opened.profile.cache_folder()
    with Steps(console, "asking for today's revisions") as steps:
        new = resolve(opened.manifest, None, mirror, cache, steps.say)
    try:
        make_plan(opened.manifest, new)
    except UserError as error:
        raise UserError(f"today's revisions: {error}; the lock stays as it is") from None
    return new


def _replaced(opened: Session, new: Lock, console: Console) -> list[tuple[Shard, State]]:
    before = _as_it_was(opened)
    if before is None:
        console.print("which shards there are of what is locked is not known")
        return []
    gone = replaced(before.plan, make_plan(opened.manifest, new))
    known = before.look()[1] if gone else {}
    return [(shard, known[shard.id]) for shard in gone]


def _as_it_was(opened: Session) -> Session | None:
    """With a plan for what is locked: by this manifest, or the one that the sweep's folder keeps.
    None: what is locked fits neither, so that there is no shard."""
    kept = opened.store.manifest_path
    for path in (opened.manifest_path, kept):
        try:
            found = replace(opened, manifest=read_manifest(path), manifest_path=path)
            _ = found.plan
        except (UserError, OSError):
            continue
        return found
    return None


def _show(found: Renewal, console: Console) -> None:
    if not found.changes:
        console.print("all data are as they are locked")
        return
    same = sum(change.same for change in found.changes)
    if same < len(found.changes):
        console.print(_table([change for change in found.changes if not change.same]))
    if same:
        console.print(f"at another revision with the same content: {same} of model and tables")
    _show_shards(found.replaced, console)


def _table(found: list[Change]) -> Table:
    table = Table(title="what would change", title_justify="left")
    for heading in ("model or table", "locked", "today", "rows"):
        table.add_column(heading, overflow="fold")
    for change in found:
        before, after = short(change.before) or "–", short(change.after) or "–"
        table.add_row(Text(change.name), before, after, _rows(change))
    return table


def _rows(change: Change) -> str:
    if change.rows_before == change.rows_after:
        return f"{change.rows_after:,}" if change.rows_after else ""
    return f"{change.rows_before:,} → {change.rows_after:,}"


def _show_shards(gone: tuple[tuple[Shard, State], ...], console: Console) -> None:
    if not gone:
        console.print("no shard would change")
        return
    states = Counter(state.name for _, state in gone)
    said = ", ".join(f"{count} {name}" for name, count in states.items())
    console.print(f"{many(len(gone), 'shard')} would be replaced by others ({said}):")
    for shard, state in gone[:_SHOWN]:
        say(console, f"  {shard.name} ({state.name})")
    if len(gone) > _SHOWN:
        console.print(f"  and {len(gone) - _SHOWN} more")
