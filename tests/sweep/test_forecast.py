"""Device-hours, bytes and files, before anything runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import lock_for
from xtl.sweep.arms import Arm
from xtl.sweep.bundles import Layout
from xtl.sweep.forecast import Rates, forecast, work
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.shard import TrainSpec

RATES = Rates(flops=1e12, start_seconds=10.0)
FREE = replace(RATES, start_seconds=0.0)
ONE = Layout(ranks=1, slots=1, bundling="chain")
TWO = replace(ONE, ranks=2)
TRAINABLE = 21_500_000
MODEL, ARTIFACT = 4 * 117_500_000, 4 * TRAINABLE
STATE = 3 * 16 * TRAINABLE  # a running training's checkpoints: two, and the one being written


@pytest.fixture
def lock(small_manifest: Manifest) -> Lock:
    return lock_for(small_manifest)


def kept(manifest: Manifest, lock: Lock, keep: str) -> Plan:
    return make_plan(manifest.model_copy(update={"keep": keep}), lock)


def starts(plan: Plan, lock: Lock, layout: Layout) -> float:
    """Device-seconds of starts alone."""
    return sum(work(plan, lock, RATES, layout).values()) - sum(
        work(plan, lock, FREE, layout).values()
    )


def test_a_training_takes_its_flops(plan: Plan, lock: Lock) -> None:
    """6 FLOPs a parameter and token, and attention's, times the tokens of all updates."""
    shard = next(shard for shard in plan.shards.values() if shard.stage == "intermediate")
    assert isinstance(shard.spec, TrainSpec)
    tokens = shard.spec.updates * shard.spec.recipe.batch_size * 60
    expected = tokens * (6 * TRAINABLE + 12 * 12 * 384 * 60) / 1e12
    assert work(plan, lock, FREE, ONE)[shard.id] == pytest.approx(expected)


def test_a_start_occupies_every_rank(plan: Plan, lock: Lock) -> None:
    """Three jobs: the public model's evaluation, the chain of size 0, and that of 10%."""
    assert starts(plan, lock, ONE) == pytest.approx(30)
    assert starts(plan, lock, TWO) == pytest.approx(60)


def test_each_job_starts_once(plan: Plan, lock: Lock) -> None:
    """Bundled by training, the chain of 10% takes two jobs."""
    assert starts(plan, lock, replace(ONE, bundling="training")) == pytest.approx(40)


def test_hours_are_the_work_by_stage(plan: Plan, lock: Lock) -> None:
    seconds = work(plan, lock, RATES, TWO)
    found = forecast(plan, lock, RATES, TWO)
    assert set(found.device_hours) == {"intermediate", "target", "evaluate"}
    assert found.total_hours * 3600 == pytest.approx(sum(seconds.values()))


@pytest.mark.parametrize(("keep", "artifacts"), [("all", 3), ("targets", 2), ("nothing", 0)])
def test_in_the_end_there_are_the_model_and_what_is_kept(
    keep: str, artifacts: int, small_manifest: Manifest, lock: Lock
) -> None:
    plan = kept(small_manifest, lock, keep)
    assert forecast(plan, lock, RATES, TWO).final_bytes == MODEL + artifacts * ARTIFACT


@pytest.mark.parametrize(("keep", "artifacts"), [("all", 3), ("targets", 3), ("nothing", 2)])
def test_at_the_peak_intermediates_wait_for_their_children(
    keep: str, artifacts: int, small_manifest: Manifest, lock: Lock
) -> None:
    """With `nothing` kept: the intermediate and its target, until the last evaluation."""
    plan = kept(small_manifest, lock, keep)
    peak = forecast(plan, lock, RATES, TWO).peak_bytes
    assert peak == MODEL + artifacts * ARTIFACT + STATE


def test_more_jobs_at_once_hold_more(demo: Manifest) -> None:
    lock = lock_for(demo)
    plan = kept(demo, lock, "nothing")
    one, four = (forecast(plan, lock, RATES, replace(ONE, slots=n)).peak_bytes for n in (1, 4))
    assert four - one == 3 * (STATE + 2 * ARTIFACT)


def test_files_are_those_that_shards_jobs_and_runs_leave(plan: Plan, lock: Lock) -> None:
    """11 a shard (3 of them W&B's), 10 an artifact, 1 for predictions, 12 a job of two ranks."""
    shards, evaluations = len(plan.shards), len(plan.shards) - 3
    expected = 11 * shards + 10 * 3 + evaluations + 12 * 3
    assert forecast(plan, lock, RATES, TWO).inodes == expected


def selecting(manifest: Manifest, **selection: object) -> Plan:
    arm = Arm.model_validate({"name": "epochs", "fixed": "epochs", "selection": selection})
    changed = manifest.model_copy(update={"arms": (arm,), "primary": None})
    return make_plan(changed, lock_for(manifest))


def judging(plan: Plan, lock: Lock) -> dict[str, float]:
    """FLOPs of each training beside those of its updates, by stage."""
    seconds, a_token = work(plan, lock, FREE, ONE), 6 * TRAINABLE + 12 * 12 * 384 * 60
    return {
        shard.stage: 1e12 * seconds[shard.id] - spec.updates * spec.recipe.batch_size * 60 * a_token
        for shard in plan.shards.values()
        if isinstance(spec := shard.spec, TrainSpec)
    }


def test_each_evaluation_of_a_checkpoint_is_a_forward_pass_over_what_is_held_out(
    small_manifest: Manifest, lock: Lock
) -> None:
    """A third of the FLOPs of forward and backward."""
    found = judging(selecting(small_manifest, evaluations=4, rows=300), lock)
    pass_over = 300 * 60 * (6 * TRAINABLE + 12 * 12 * 384 * 60) / 3
    assert found == {
        "intermediate": pytest.approx(4 * pass_over), "target": pytest.approx(4 * pass_over),
    }  # fmt: skip


def test_an_oracle_reads_all_languages_of_the_target_s_sets_each_time(
    small_manifest: Manifest, lock: Lock
) -> None:
    found = judging(selecting(small_manifest, evaluations=4, by="oracle"), lock)
    languages = 12
    pass_over = languages * 4096 * 60 * (6 * TRAINABLE + 12 * 12 * 384 * 60) / 3
    assert found["target"] == pytest.approx(4 * pass_over)
    assert found["intermediate"] == pytest.approx(0, abs=1e6)


def test_the_best_checkpoint_stays_beside_the_last_two(
    small_manifest: Manifest, lock: Lock
) -> None:
    plain = kept(small_manifest, lock, "nothing")
    found = selecting(small_manifest.model_copy(update={"keep": "nothing"}), evaluations=4)
    more = (
        forecast(found, lock, RATES, ONE).peak_bytes - forecast(plain, lock, RATES, ONE).peak_bytes
    )
    assert more == STATE / 3
