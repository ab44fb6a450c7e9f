"""The first shard of each kind goes ahead, and what is like it waits. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import lock_for
from tests.launch.records import attempt, failed, finished, stopped
from xtl.launch.canary import PASSED, kind_of
from xtl.launch.policy import Policy
from xtl.launch.reconcile import Decision, decide
from xtl.launch.records import Heartbeat
from xtl.launch.states import Evidence, states
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.shard import Shard


@pytest.fixture
def plan(small_manifest: Manifest) -> Plan:
    """The small plan three times over, so that there are several of each kind."""
    several = small_manifest.model_copy(update={"replicates": (1, 2, 3)})
    return make_plan(several, lock_for(several))


def decision(plan: Plan, known: dict[str, Evidence], canary: bool = True) -> Decision:
    evidence = {shard: known.get(shard, Evidence()) for shard in plan.shards}
    policy = Policy(canary=canary)
    return decide(plan, states(plan, evidence), evidence, "training", True, policy)


def intermediates(plan: Plan) -> list[Shard]:
    return [shard for shard in plan.shards.values() if shard.stage == "intermediate"]


def at(step: int) -> Evidence:
    """A running attempt."""
    beat = Heartbeat(attempt=1, time=1.0, step=step, total=100)
    return Evidence(attempts=(attempt(1),), heartbeat=beat, job="alive")


def sent(plan: Plan, found: Decision) -> list[tuple[str, ...]]:
    return [kind_of(plan.shards[bundle.members[0]]) for bundle in found.bundles]


def test_one_of_each_kind_goes_ahead(plan: Plan) -> None:
    first = decision(plan, {})
    kinds = sent(plan, first)
    assert len(kinds) == len(set(kinds)) > 1
    assert len(first.bundles) + len(first.held) == len(decision(plan, {}, canary=False).bundles)
    assert first.waits


def test_the_others_wait_until_it_has_passed_its_first_updates(plan: Plan) -> None:
    canary, *others = intermediates(plan)
    assert others
    for step, released in ((0, False), (PASSED - 1, False), (PASSED, True)):
        found = decision(plan, {canary.id: at(step)})
        going = {bundle.members[0] for bundle in found.bundles}
        assert ({shard.id for shard in others} <= going) == released


def test_a_canary_that_waits_in_the_queue_holds_them_too(plan: Plan) -> None:
    canary = intermediates(plan)[0]
    found = decision(plan, {canary.id: Evidence(waiting=True)})
    assert kind_of(canary) not in sent(plan, found)


def test_when_a_canary_has_failed_for_good_the_next_goes_ahead(plan: Plan) -> None:
    canary, second = intermediates(plan)[:2]
    found = decision(plan, {canary.id: Evidence(attempts=(attempt(1, failed("code")),))})
    going = [bundle.members[0] for bundle in found.bundles]
    assert second.id in going
    assert sent(plan, found).count(kind_of(canary)) == 1


def test_a_kind_that_was_shown_to_work_needs_no_canary(plan: Plan) -> None:
    canary, *others = intermediates(plan)
    tried = Evidence(attempts=(attempt(1, finished()), attempt(2, failed("node"))))
    beat = Heartbeat(attempt=1, time=1.0, step=100, total=100)
    shown = Evidence(attempts=(attempt(1),), heartbeat=beat, job="alive")
    found = decision(plan, {canary.id: shown, others[0].id: tried})
    assert others[0].id in {bundle.members[0] for bundle in found.bundles}


def test_a_shard_that_waits_for_its_parents_holds_back_none_that_is_ready(plan: Plan) -> None:
    """A target behind a long intermediate training says nothing for hours."""
    parents = {shard.id: shard for shard in intermediates(plan)}
    targets = [shard for shard in plan.shards.values() if shard.stage == "target"]
    behind = next(shard for shard in targets if set(shard.parents) & parents.keys())
    ready = next(shard for shard in targets if not shard.parents)
    running = {parent: at(PASSED) for parent in behind.parents}
    found = decision(plan, {**running, behind.id: Evidence(waiting=True)})
    assert ready.id in {bundle.members[0] for bundle in found.bundles}


def test_a_canary_that_was_preempted_after_its_first_updates_has_passed(plan: Plan) -> None:
    canary, *others = intermediates(plan)
    beat = Heartbeat(attempt=1, time=1.0, step=PASSED, total=100, saved=PASSED)
    first = attempt(1, stopped(PASSED)).model_copy(update={"beat": beat})
    waits = Evidence(attempts=(first,), job="alive")
    for pardoned, released in ((0, True), (1, False)):
        seen = replace(waits, heartbeat=beat, pardoned=pardoned)
        found = decision(plan, {canary.id: seen})
        going = {bundle.members[0] for bundle in found.bundles}
        assert ({shard.id for shard in others} <= going) == released
