"""Bundles: shards run back to back in one job, parents first, so that one start serves several."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard

Bundling = Literal["chain", "training"]
"""`chain`: a training joins its parent's bundle; `training`: each starts one of its own."""


@dataclass(frozen=True)
class Layout:
    """How a plan is laid out over jobs: a job's ranks, jobs at once, which shards share a job."""

    ranks: int
    slots: int
    bundling: Bundling


def make_bundles(plan: Plan, todo: Collection[str], bundling: Bundling) -> list[tuple[str, ...]]:
    """The shards of `todo`, grouped, in the plan's order. Evaluations go with their training."""
    bundles: dict[str, list[str]] = {}  # first shard or checkpoint → members
    place: dict[str, str] = {}
    for shard in plan.shards.values():
        if shard.id in todo:
            key = _key(shard, place, bundling)
            place[shard.id] = key
            bundles.setdefault(key, []).append(shard.id)
    return [tuple(members) for members in bundles.values()]


def _key(shard: Shard, place: dict[str, str], bundling: Bundling) -> str:
    parent = shard.parents[0] if shard.parents else "public model"
    if shard.stage == "evaluate":
        return place.get(parent, f"evaluations of {parent}")
    return place.get(parent, shard.id) if bundling == "chain" else shard.id
