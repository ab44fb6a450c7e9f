"""Shards of a chain run back to back in one job; evaluations go with their training."""

from __future__ import annotations

from xtl.sweep.bundles import make_bundles
from xtl.sweep.plan import Plan


def names(plan: Plan, bundles: list[tuple[str, ...]]) -> list[list[str]]:
    return [[plan.shards[shard].name for shard in bundle] for bundle in bundles]


def test_a_chain_is_one_bundle(plan: Plan) -> None:
    last = names(plan, make_bundles(plan, plan.shards, "chain"))[-1]
    assert last == [
        "lookup-pool 10% epochs s1",
        "lookup-pool 10% epochs s1 · lookup-pairs",
        "lookup-pool 10% epochs s1 → lookup-qa",
        "lookup-pool 10% epochs s1 → lookup-qa · lookup-qa",
        "lookup-pool 10% epochs s1 → lookup-qa · lookup-pairs",
    ]


def test_each_training_can_be_a_bundle_of_its_own(plan: Plan) -> None:
    firsts = [bundle[0] for bundle in names(plan, make_bundles(plan, plan.shards, "training"))]
    assert firsts == [
        "public model · lookup-pairs",
        "0 s1 → lookup-qa",
        "lookup-pool 10% epochs s1",
        "lookup-pool 10% epochs s1 → lookup-qa",
    ]


def test_every_shard_is_in_exactly_one_bundle(plan: Plan) -> None:
    bundled = [shard for bundle in make_bundles(plan, plan.shards, "chain") for shard in bundle]
    assert sorted(bundled) == sorted(plan.shards)


def test_evaluations_left_over_run_alone_together(plan: Plan) -> None:
    left = {
        shard.id for shard in plan.shards.values() if shard.stage == "evaluate" and shard.parents
    }
    sizes = [len(bundle) for bundle in make_bundles(plan, left, "chain")]
    assert sizes == [2, 1, 2]
