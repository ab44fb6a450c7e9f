"""Bytes and files of what is left of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from tests.conftest import lock_for
from xtl.sweep.bundles import Layout
from xtl.sweep.disk import Disk, disk
from xtl.sweep.lock import LockedModel
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan

ONE = Layout(ranks=2, slots=1, bundling="chain")
MODEL = LockedModel(
    repo="a/model", revision="content-0", fingerprint="model", layers=12, hidden=384,
    parameters=117_500_000, embedding_parameters=96_000_000,
)  # fmt: skip
ARTIFACT = 4 * 21_500_000
STATE = 3 * 16 * 21_500_000


def keeping(manifest: Manifest, keep: str) -> Plan:
    return make_plan(manifest.model_copy(update={"keep": keep}), lock_for(manifest))


def room(plan: Plan, done: Sequence[str] = (), there: Sequence[str] = ()) -> Disk:
    return disk(plan, MODEL, ONE, done, there)


def trainings(plan: Plan) -> list[str]:
    return [shard.id for shard in plan.shards.values() if shard.stage != "evaluate"]


def test_when_all_is_done_only_what_is_kept_stays(small_manifest: Manifest) -> None:
    plan = keeping(small_manifest, "targets")
    every = trainings(plan)
    targets = [shard for shard in every if plan.shards[shard].stage == "target"]
    found = room(plan, list(plan.shards), every)
    assert found.final_bytes == len(targets) * ARTIFACT
    assert found.peak_bytes == len(every) * ARTIFACT
    assert found.passing_inodes == 0
    assert found.inodes < 0  # the intermediate's artifact goes


def test_what_is_left_needs_less_than_the_whole(plan: Plan) -> None:
    whole, first = room(plan), trainings(plan)[0]
    rest = room(plan, [first], [first])
    assert rest.inodes < whole.inodes
    assert rest.final_bytes <= whole.final_bytes
    assert rest.peak_bytes == whole.peak_bytes


def test_a_parent_that_was_released_is_made_again_for_a_child_that_is_left(
    plan: Plan,
) -> None:
    child = next(s for s in plan.shards.values() if s.stage == "evaluate" and s.parents)
    done = [shard for shard in plan.shards if shard != child.id]
    gone, there = room(plan, done), room(plan, done, list(child.parents))
    assert gone.passing_inodes > there.passing_inodes == 0
    assert gone.peak_bytes - there.peak_bytes >= STATE


def test_at_the_end_of_a_lean_sweep_no_artifact_is_left(small_manifest: Manifest) -> None:
    lean = keeping(small_manifest, "nothing")
    assert room(lean).final_bytes == 0
    assert room(lean).peak_bytes == 2 * ARTIFACT + STATE
