"""What comes of a shard: its children, and theirs."""

from __future__ import annotations

from collections.abc import Collection

from xtl.sweep.plan import Plan


def descendants(plan: Plan, shards: Collection[str]) -> tuple[str, ...]:
    """Ids of what comes of these at any depth, parents first; none of these themselves."""
    line = set(shards)
    for shard in plan.shards.values():  # parents before children
        if not line.isdisjoint(shard.parents):
            line.add(shard.id)
    return tuple(key for key in plan.shards if key in line and key not in shards)
