"""Renewal: what a newer lock would change, and for which shards. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from xtl.sweep.lock import Lock
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard


@dataclass(frozen=True)
class Change:
    """A model or a table that is another revision or content, new, or gone, in a newer lock.

    `rows` are those of a table, 0 where there is none; a revision is "" there. `same`: its content
    is what it was, so that no shard changes with it.
    """

    name: str
    before: str
    after: str
    rows_before: int
    rows_after: int
    same: bool


def changes(old: Lock, new: Lock) -> list[Change]:
    """What differs, the model first, then tables by name."""
    found = []
    if old.model.revision != new.model.revision:
        same = old.model.fingerprint == new.model.fingerprint
        found.append(
            Change(new.model.repo, old.model.revision, new.model.revision, 0, 0, same)
        )  # fmt: skip
    for key, table in new.tables.items():
        before = old.tables.get(key)
        if before is None:
            found.append(Change(key, "", table.revision, 0, table.rows, False))
        elif (before.revision, before.content) != (table.revision, table.content):
            same = before.content == table.content
            found.append(
                Change(key, before.revision, table.revision, before.rows, table.rows, same)
            )
    gone = [(key, table) for key, table in old.tables.items() if key not in new.tables]
    return found + [Change(key, table.revision, "", table.rows, 0, False) for key, table in gone]


def replaced(old: Plan, new: Plan) -> list[Shard]:
    """Shards of the old plan that the new one does without: others take their place."""
    return [shard for shard in old.shards.values() if shard.id not in new.shards]
