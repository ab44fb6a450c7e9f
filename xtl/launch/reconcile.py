"""Reconcile: what the plan wants against what there is, and what is to be done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xtl.launch.states import Evidence, State, todo
from xtl.sweep.bundles import Bundling, make_bundles
from xtl.sweep.plan import Plan


@dataclass(frozen=True)
class Bundle:
    """What one job is to run: (shard id, the attempt that it may claim), parents first, and the
    parents that other jobs have yet to bring."""

    shards: tuple[tuple[str, int], ...]
    after: frozenset[str] = frozenset()

    @property
    def members(self) -> list[str]:
        return [shard for shard, _ in self.shards]


@dataclass(frozen=True)
class Decision:
    """What to do now: bundles to submit (best first), artifacts that no planned child needs."""

    bundles: tuple[Bundle, ...]
    releases: tuple[str, ...]


def decide(
    plan: Plan,
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
    bundling: Bundling,
    ahead: bool = False,
) -> Decision:
    """`ahead`: the scheduler can hold a job back until the parents of its shards are there."""
    wanted = todo(plan, known, evidence, ahead)
    bundles = tuple(
        _bundle(plan, members, wanted, known, evidence)
        for members in make_bundles(plan, wanted, bundling)
    )
    return Decision(bundles, tuple(_releases(plan, known, evidence)))


def _bundle(
    plan: Plan,
    members: tuple[str, ...],
    wanted: set[str],
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
) -> Bundle:
    parents = {parent for shard in members for parent in plan.shards[shard].parents}
    pending = {
        parent
        for parent in parents.difference(members)
        if parent in wanted or known[parent].name != "done"
    }
    shards = tuple((shard, _next_attempt(evidence[shard])) for shard in members)
    return Bundle(shards, frozenset(pending))


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
