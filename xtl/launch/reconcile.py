"""Reconcile: what the plan wants against what there is, and what is to be done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xtl.launch.states import Evidence, State, todo
from xtl.sweep.bundles import Bundling, make_bundles
from xtl.sweep.plan import Plan

Bundle = tuple[tuple[str, int], ...]
"""(shard id, the attempt that the job may claim), parents first."""


@dataclass(frozen=True)
class Decision:
    """What to do now: bundles to submit (best first), artifacts that no planned child needs."""

    bundles: tuple[Bundle, ...]
    releases: tuple[str, ...]


def decide(
    plan: Plan, known: Mapping[str, State], evidence: Mapping[str, Evidence], bundling: Bundling
) -> Decision:
    wanted = todo(plan, known, evidence)
    bundles = tuple(
        tuple((shard, _next_attempt(evidence[shard])) for shard in members)
        for members in make_bundles(plan, wanted, bundling)
    )
    return Decision(bundles, tuple(_releases(plan, known, evidence)))


def _next_attempt(evidence: Evidence) -> int:
    """The number is the fence: of two jobs that were given the same one, one can claim it."""
    return evidence.attempts[-1].claim.attempt + 1 if evidence.attempts else 1


def _releases(
    plan: Plan, known: Mapping[str, State], evidence: Mapping[str, Evidence]
) -> list[str]:
    if plan.keep == "all":
        return []
    kept = "target" if plan.keep == "targets" else None
    waiting = {
        parent
        for shard in plan.shards.values()
        if known[shard.id].name != "done"
        for parent in shard.parents
    }
    return [
        shard.id
        for shard in plan.shards.values()
        if known[shard.id].name == "done"
        and evidence[shard.id].artifact
        and shard.stage != kept
        and shard.id not in waiting
    ]
