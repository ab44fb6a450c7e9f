"""The plan is a pure function of manifest and lock; shards are their content."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.conftest import DEMO, lock_for
from xtl.errors import UserError
from xtl.sweep.lock import Lock, key_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import passage_pairs
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.reading import parse_manifest
from xtl.sweep.shard import TrainSpec

DATA: dict[str, Any] = yaml.safe_load(DEMO.read_text(encoding="utf-8"))


def manifest(**changes: Any) -> Manifest:
    return parse_manifest(yaml.safe_dump(DATA | changes), "m.yaml")


def planned(**changes: Any) -> Plan:
    found = manifest(**changes)
    return make_plan(found, lock_for(found))


def trainings(plan: Plan) -> set[str]:
    return {shard.id for shard in plan.shards.values() if shard.stage != "evaluate"}


def test_there_is_a_shard_for_each_training_and_each_evaluation() -> None:
    plan = planned(sizes=[0, "2%", "6%", "20%", "50%", "100%"], replicates=[1, 2])
    stages = [shard.stage for shard in plan.shards.values()]
    assert [stages.count(stage) for stage in ("intermediate", "target", "evaluate")] == [10, 12, 35]


def test_the_same_manifest_and_lock_give_the_same_plan() -> None:
    assert planned() == planned()


def test_parents_come_before_their_children() -> None:
    seen: set[str] = set()
    for shard in planned().shards.values():
        assert set(shard.parents) <= seen
        seen.add(shard.id)


def test_a_new_language_retrains_nothing() -> None:
    some = planned(targets=[DATA["targets"][0] | {"languages": ["bn", "sw", "te"]}])
    every = planned(targets=[DATA["targets"][0] | {"languages": "all"}])
    assert trainings(some) == trainings(every)
    assert set(some.shards) != set(every.shards)


def test_a_new_evaluation_set_retrains_nothing() -> None:
    assert trainings(planned(retrieval=[])) == trainings(planned())


def test_how_a_shard_runs_is_not_in_its_id() -> None:
    engine = DATA["engine"] | {"ranks": 1, "zero_stage": 2, "micro_batch": 2}
    assert set(planned(engine=engine).shards) == set(planned().shards)


def test_labels_are_not_in_the_id() -> None:
    renamed = planned(
        name="other",
        arms=[{"name": "passes", "fixed": "epochs"}],
        primary=DATA["primary"] | {"arm": "passes"},
    )
    assert set(renamed.shards) == set(planned().shards)


@pytest.mark.parametrize(
    "training",
    [
        {"learning_rate": 1e-5},
        {"batch_size": 8},
        {"epochs": 3},
        {"dropout": 0.0},
        {"max_length": 96},
    ],
)
def test_what_can_change_a_result_is_in_the_id(training: dict[str, Any]) -> None:
    plain = {"task": "lookup-pool"}
    one = planned(intermediate=[plain])
    other = planned(intermediate=[plain | {"training": training}])
    sized = [s.id for s in one.shards.values() if s.stage == "intermediate"]
    assert not set(sized) & set(other.shards)


def test_other_data_or_another_model_is_another_shard() -> None:
    found = manifest()
    lock = lock_for(found)
    pool = "xtl/cldr-lookup/pool/train"
    tables = lock.tables | {pool: lock.tables[pool].model_copy(update={"content": "other"})}
    changed = make_plan(found, lock.model_copy(update={"tables": tables}))
    plan = make_plan(found, lock)
    same = {s.id for s in plan.shards.values() if s.id in changed.shards}
    assert {plan.shards[shard].name for shard in same} >= {"0 s1 → lookup-qa"}
    assert all("lookup-pool" not in plan.shards[shard].name for shard in same)
    other = lock.model.model_copy(update={"fingerprint": "another"})
    assert not set(make_plan(found, lock.model_copy(update={"model": other})).shards) & set(
        plan.shards
    )


def test_a_new_revision_with_the_same_content_changes_no_id() -> None:
    found = manifest()
    lock = lock_for(found)
    tables = {
        key: table.model_copy(update={"revision": "r2"}) for key, table in lock.tables.items()
    }
    assert set(make_plan(found, lock.model_copy(update={"tables": tables})).shards) == set(
        make_plan(found, lock).shards
    )


def test_size_0_belongs_to_every_task() -> None:
    two = planned(
        intermediate=[{"task": "lookup-pool"}, {"task": "lookup-qa"}],
        sizes=[0],
        replicates=[1],
        primary=None,
    )
    assert len([shard for shard in two.shards.values() if shard.stage == "target"]) == 1
    assert {cell.task for cell in two.cells} == {"lookup-pool", "lookup-qa"}


def test_two_arms_meet_where_their_updates_are_equal() -> None:
    arms = [
        {"name": "epochs", "fixed": "epochs"},
        {"name": "updates", "fixed": "updates", "updates": 256},
    ]
    sizes = ["50%", "100%"]
    pool = {"task": "lookup-pool", "training": {"epochs": 1, "batch_size": 16}}
    both = planned(intermediate=[pool], arms=arms, sizes=sizes, replicates=[1])
    intermediate = [shard for shard in both.shards.values() if shard.stage == "intermediate"]
    assert len(intermediate) == 3  # 100% in one epoch is 256 updates of 16
    assert {shard.spec.updates for shard in intermediate if isinstance(shard.spec, TrainSpec)} == {
        128,
        256,
    }


def test_counts_are_resolved_from_the_lock() -> None:
    found = manifest(sizes=["10%"])
    plan = make_plan(found, lock_for(found, rows=1000))
    assert {cell.examples for cell in plan.cells} == {100}


def test_a_count_over_the_locked_rows_is_refused() -> None:
    found = manifest(sizes=[2000])
    with pytest.raises(UserError, match="sizes: found 2000, expected at most the 1000"):
        make_plan(found, lock_for(found, rows=1000))


def test_a_lock_without_a_table_says_what_to_do() -> None:
    found = manifest()
    lock = lock_for(found)
    with pytest.raises(UserError, match="run `xtl prepare`"):
        make_plan(found, Lock(model=lock.model, tables={}))


def test_a_lock_of_another_model_says_what_to_do() -> None:
    lock = lock_for(manifest())
    other = manifest(model={"repo": "owner/other"})
    with pytest.raises(UserError) as caught:
        make_plan(other, lock)
    assert str(caught.value) == (
        "lock.json: found the model xtl/multilingual-e5-small-q4, expected owner/other: "
        "run `xtl prepare`"
    )


def test_passages_are_compared_for_each_training_and_each_evaluation_table() -> None:
    target = {"task": "lookup-qa", "languages": ["en", "sw"]}
    pairs = passage_pairs(manifest(targets=[target], primary=None))
    data = "xtl/cldr-lookup"
    found = {key_of(need.ref): [key_of(asked.ref) for asked in pairs[need]] for need in pairs}
    assert found == {
        f"{data}/pool/train": [f"{data}/en/validation", f"{data}/sw/validation"],
        f"{data}/target/train": [f"{data}/en/validation", f"{data}/sw/validation"],
    }


def test_without_a_lock_the_plan_is_provisional() -> None:
    plan = make_plan(manifest(), None)
    assert not plan.locked
    assert max(cell.examples for cell in plan.cells) == 2048  # half of the published 4,096


def test_all_sizes_of_one_chain_come_before_the_next_replicate() -> None:
    seeds = [cell.seed for cell in planned().cells]
    assert seeds == sorted(seeds)


def targeted(**changes: Any) -> Plan:
    return planned(sizes=[0, "10%"], replicates=[1], targets=[DATA["targets"][0] | changes])


def specs(plan: Plan, stage: str) -> list[Any]:
    return [shard.spec for shard in plan.shards.values() if shard.stage == stage]


def test_a_target_trains_on_as_many_examples_as_it_is_given() -> None:
    assert {spec.examples for spec in specs(targeted(train_on=100), "target")} == {100}
    assert {spec.examples for spec in specs(targeted(), "target")} == {4096}


def test_a_target_given_more_than_there_are_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"lookup-qa.train_on: found 5000, expected at most the"):
        targeted(train_on=5000)


def test_fewer_rows_are_another_evaluation_of_the_same_training() -> None:
    few, every = targeted(evaluate_on=50), targeted()
    assert trainings(few) == trainings(every)
    asked = [spec.examples for spec in specs(few, "evaluate") if spec.family == "span-qa"]
    assert set(asked) == {50}
    assert targeted(evaluate_on=4096).shards.keys() == every.shards.keys()


def test_a_head_is_carried_over_from_a_task_of_its_kind_where_there_is_one() -> None:
    heads = {
        spec.parent is None: spec.head_of for spec in specs(targeted(head="carried"), "target")
    }
    assert heads == {True: None, False: "lookup-pool"}
    assert {spec.head_of for spec in specs(targeted(), "target")} == {None}


def test_a_new_head_and_a_carried_one_are_two_trainings() -> None:
    new, carried = targeted(), targeted(head="carried")
    assert len(trainings(new) & trainings(carried)) == 2  # the intermediate one, and size 0's


def test_mined_pools_are_never_cut() -> None:
    retrieval = [{"set": "bucc2018", "evaluate_on": 100}]
    with pytest.raises(UserError, match=r"evaluate_on: found a count, expected none: pools"):
        planned(retrieval=retrieval)


def test_the_layer_that_retrieval_reads_is_the_manifests() -> None:
    def layers(layer: int | None) -> set[int | None]:
        plan = planned(retrieval=[{"set": "lookup-pairs", "layer": layer}])
        found = [spec for spec in specs(plan, "evaluate") if spec.family == "retrieval"]
        return {spec.decoding.layer for spec in found}

    assert layers(12) == {12}
    assert layers(None) == {None}
    with pytest.raises(UserError, match=r"lookup-pairs.layer: found 13, expected at most the 12"):
        layers(13)
