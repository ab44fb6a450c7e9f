"""Reconcile: what the plan wants against what there is, and what is to be done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xtl.launch.canary import hold_back
from xtl.launch.failures import failure_of
from xtl.launch.policy import MORE_MEMORY, Policy, halvings, host_ooms
from xtl.launch.records import Pause
from xtl.launch.states import USUAL, Evidence, State, todo, tries_of
from xtl.sweep.bundles import Bundling, make_bundles
from xtl.sweep.plan import Plan


@dataclass(frozen=True)
class Bundle:
    """What one job is to run: (shard id, the attempt that it may claim), parents first, and the
    parents that other jobs have yet to bring. `halvings`: how often its batches are halved;
    `memory`: of host memory, by how much more it asks for than the profile says."""

    shards: tuple[tuple[str, int], ...]
    after: frozenset[str] = frozenset()
    halvings: int = 0
    memory: float = 1.0

    @property
    def members(self) -> list[str]:
        return [shard for shard, _ in self.shards]


@dataclass(frozen=True)
class Decision:
    """What to do now: bundles to submit (best first), artifacts that no planned child needs.

    `held`: what waits until the first of its kind has passed its first updates; `pause`: why
    nothing is submitted.
    """

    bundles: tuple[Bundle, ...]
    releases: tuple[str, ...]
    held: tuple[Bundle, ...] = ()
    pause: Pause | None = None

    @property
    def waits(self) -> bool:
        """Whether there is something to submit later, without a person's word."""
        if self.pause:
            return self.pause.cause == "storage"
        return bool(self.held)


def decide(
    plan: Plan,
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
    bundling: Bundling,
    ahead: bool = False,
    policy: Policy = USUAL,
    pause: Pause | None = None,
) -> Decision:
    """`ahead`: the scheduler can hold a job back until the parents of its shards are there."""
    releases = tuple(_releases(plan, known, evidence))
    if pause:
        return Decision((), releases, pause=pause)
    wanted = todo(plan, known, evidence, ahead)
    bundles = [
        _bundle(plan, members, wanted, known, evidence)
        for members in make_bundles(plan, wanted, bundling)
    ]
    held = hold_back(plan, known, evidence, bundles) if policy.canary else ()
    return Decision(tuple(entry for entry in bundles if entry not in held), releases, tuple(held))


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
    tries = [tries_of(evidence[shard]) for shard in members]
    more = max(map(host_ooms, tries))
    halved = max(_halvings(evidence[shard]) for shard in members)
    return Bundle(shards, frozenset(pending), halved, MORE_MEMORY**more)


def _halvings(own: Evidence) -> int:
    if not own.attempts:
        return 0
    last = own.attempts[-1]
    well = last.end is not None and last.end.status == "done"
    return halvings(last.claim, None if well else failure_of(last, own.noted).cls)


def _next_attempt(evidence: Evidence) -> int:
    """The number is the fence: of two jobs that were given the same one, one can claim it."""
    latest = evidence.attempts[-1].claim.attempt if evidence.attempts else 0
    return max(latest, evidence.taken) + 1


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
