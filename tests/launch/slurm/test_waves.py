"""Which bundles go out together, in what order, and how many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from xtl.launch.profile_parts import Times
from xtl.launch.reconcile import Bundle
from xtl.launch.slurm.waves import Room, Wave, minutes_for, send_in_waves
from xtl.sweep.plan import Plan

TIMES = Times(intermediate=600, target=60, evaluate=5)
WIDE = Room(array=1000, jobs=1000, minutes=None)


def trainings(plan: Plan, stage: str) -> list[str]:
    return [shard.id for shard in plan.shards.values() if shard.stage == stage]


def bundle(*shards: str, after: Sequence[str] = ()) -> Bundle:
    return Bundle(tuple((shard, 1) for shard in shards), frozenset(after))


def sent(
    plan: Plan, bundles: Sequence[Bundle], jobs: Mapping[str, str] | None = None, room: Room = WIDE
) -> list[Wave]:
    """The waves, each of which gets the next job id: 1, 2, …"""
    waves: list[Wave] = []

    def send(wave: Wave) -> dict[str, str]:
        waves.append(wave)
        members = enumerate(wave.bundles)
        return {shard: f"{len(waves)}_{i}" for i, entry in members for shard in entry.members}

    send_in_waves(plan, bundles, jobs or {}, TIMES, room, send)
    return waves


def test_alike_bundles_are_one_array(plan: Plan) -> None:
    bundles = [bundle(shard) for shard in trainings(plan, "intermediate")]
    assert [wave.bundles for wave in sent(plan, bundles)] == [tuple(bundles)]


def test_an_array_is_no_longer_than_the_cluster_allows(plan: Plan) -> None:
    bundles = [bundle(shard) for shard in trainings(plan, "target")]
    waves = sent(plan, bundles, room=Room(array=2, jobs=1000, minutes=None))
    assert len(waves[0].bundles) == 2
    assert [entry for wave in waves for entry in wave.bundles] == bundles


@pytest.mark.parametrize("jobs", [0, 1, 3])
def test_no_more_is_sent_than_there_is_room_for(plan: Plan, jobs: int) -> None:
    bundles = [bundle(shard) for shard in trainings(plan, "target")]
    waves = sent(plan, bundles, room=Room(array=2, jobs=jobs, minutes=None))
    assert sum(len(wave.bundles) for wave in waves) == min(jobs, len(bundles))


def test_children_go_after_their_parents_and_name_their_jobs(plan: Plan) -> None:
    parent = trainings(plan, "intermediate")[0]
    child = next(shard.id for shard in plan.shards.values() if parent in shard.parents)
    first, second = sent(plan, [bundle(child, after=[parent]), bundle(parent)])
    assert (first.bundles, first.after) == ((bundle(parent),), "")
    assert second.after == "afterok:1_0"


def test_a_child_of_a_job_that_is_alive_depends_on_that(plan: Plan) -> None:
    parent = trainings(plan, "intermediate")[0]
    child = next(shard.id for shard in plan.shards.values() if parent in shard.parents)
    (wave,) = sent(plan, [bundle(child, after=[parent])], {parent: "77_3"})
    assert wave.after == "afterok:77_3"


def test_a_child_whose_parent_has_no_job_is_left_out(plan: Plan) -> None:
    """Its launcher died around sbatch: nobody knows the id yet."""
    parent = trainings(plan, "intermediate")[0]
    child = next(shard.id for shard in plan.shards.values() if parent in shard.parents)
    assert sent(plan, [bundle(child, after=[parent])]) == []


def test_children_of_a_wave_that_was_not_sent_are_not_sent_either(plan: Plan) -> None:
    parent = trainings(plan, "intermediate")[0]
    child = next(shard.id for shard in plan.shards.values() if parent in shard.parents)
    waves: list[Wave] = []

    def refuse(wave: Wave) -> None:
        waves.append(wave)

    send_in_waves(plan, [bundle(parent), bundle(child, after=[parent])], {}, TIMES, WIDE, refuse)
    assert [wave.bundles for wave in waves] == [(bundle(parent),)]


def test_the_time_is_that_of_all_trainings_and_one_evaluation(plan: Plan) -> None:
    chain = bundle(
        trainings(plan, "intermediate")[0],
        trainings(plan, "target")[0],
        *trainings(plan, "evaluate")[:2],
    )
    assert minutes_for(plan, chain, TIMES, None) == 600 + 60 + 5
    assert minutes_for(plan, chain, TIMES, 120) == 120
    assert minutes_for(plan, bundle(trainings(plan, "evaluate")[0]), TIMES, None) == 5
