"""Ids of shards for people: how each begins, no longer than it takes to tell it from all others."""

from __future__ import annotations

from itertools import count

from xtl.sweep.plan import Plan

_LEAST = 4


def beginnings(plan: Plan) -> dict[str, str]:
    """By shard, all of one length. Empty before there is a lock: there are no ids then."""
    if not plan.locked:
        return {}
    shards = plan.shards
    length = next(n for n in count(_LEAST) if len({shard[:n] for shard in shards}) == len(shards))
    return {shard: shard[:length] for shard in shards}
