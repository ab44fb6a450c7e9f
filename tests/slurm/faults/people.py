"""Faults of launchers, and of what people plan and do."""

from __future__ import annotations

import time

from tests.slurm.checkouts import LEASE, TOGETHER
from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.ranks import mend_and_resubmit, resubmit
from tests.slurm.faults.scene import EVALUATION, TRAINING, Scene
from tests.slurm.sweeps import edit_manifest, jobs

OTHER = "0 s2 → lookup-qa"


@fault("launcher killed", "SIGKILL of `xtl sweep` while a job trains; started again")
def a_launcher_may_be_killed(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()

    def kill_and_start() -> None:
        scene.kill_launcher()
        scene.start()

    scene.strike(kill_and_start)
    scene.until(scene.is_led)
    scene.seconds = time.time() - scene.struck
    scene.finish()
    assert (len(jobs(scene.bench)), len(scene.attempts())) == (1, 1)
    return "the job trains on; the next launcher follows it, and submits nothing twice"


@fault(
    "two launchers",
    "two `xtl sweep` that do not heed the lease decide on the same jobs before either submits",
    planted={"launch/lease": LEASE, "launch/slurm/scheduler": TOGETHER},
)
def two_launchers_do_no_harm(scene: Scene) -> str:
    scene.start()
    scene.strike(scene.start)
    scene.recover()
    scene.finish()
    assert [len(scene.attempts(name)) for name in (TRAINING, EVALUATION)] == [1, 1]
    assert len(list((scene.bench.root / "launchers").iterdir())) == 2, "both were about to submit"
    if len(jobs(scene.bench)) == 1:
        return "both write the job down under one name, which is the first one's: he submits it"
    return f"{len(jobs(scene.bench))} jobs for one chain: one claims it, the other leaves"


PARENT_BUG = """

_as_before = Execution._train


def _train(self: Execution, spec: TrainSpec, start: str) -> Result | None:
    if self.shard.stage == "intermediate" and not (self._store.root / "mended").exists():
        raise UserError("english.parquet: found no rows, expected some")
    return _as_before(self, spec, start)


Execution._train = _train  # type: ignore[method-assign]
"""
PARENT = "lookup-pool 64 epochs s1"
CHILD = f"{PARENT} → lookup-qa"


@fault(
    "parent failed, then mended",
    "an intermediate training raises an error of its data; the cause is removed, `xtl resubmit`",
    manifest={"sizes": [64]},
    profile={"bundling": "training"},
    planted={"launch/execution": PARENT_BUG},
    quick=True,
)
def children_of_a_failed_parent_are_blocked_and_revived(scene: Scene) -> str:
    scene.strike(scene.start, PARENT)
    scene.rest(1)
    scene.verdict("data", PARENT)
    assert scene.state(CHILD)["state"] == "blocked"
    assert scene.state(CHILD)["blocked_by"] == PARENT
    assert not scene.attempts(CHILD)
    mend_and_resubmit(scene)
    assert len(scene.attempts(CHILD)) == 1
    return "class data; its children are blocked, by name, and revived when it is done"


# The weights overflow, as they do after too long a step.
OVERFLOW = """

_took = Updater.take


def _too_far(self: Updater, update: int, **options: bool) -> Report:
    if self._spec.updates < 128 and update == 2:
        for weights in self._engine._engine.module.parameters():
            weights.data.fill_(math.inf)
    return _took(self, update, **options)


Updater.take = _too_far  # type: ignore[method-assign]
"""


@fault(
    "parent diverged",
    "the weights of an intermediate training overflow before its third update",
    manifest={"sizes": [0, 64]},
    planted={"train/update": OVERFLOW},
)
def a_parent_that_diverged_is_a_result_and_its_children_stay_blocked(scene: Scene) -> str:
    scene.strike(scene.start)
    scene.rest(1)
    scene.verdict("diverged", PARENT)
    parent, child = (scene.bench.shards()[name]["id"] for name in (PARENT, CHILD))
    assert not scene.store.artifact(parent).exists()
    assert len([s for s in scene.bench.shards().values() if s["name"].startswith(PARENT)]) == 3
    assert scene.state(CHILD)["state"] == "blocked"
    edit_manifest(scene.bench, sizes=[0])  # what does not come of it is as in any other sweep
    scene.start()
    scene.finish()
    assert (len(scene.store.attempts(parent)), scene.store.attempts(child)) == (1, [])
    return "class diverged: no hand-over, not tried again, its children blocked; the rest is done"


@fault(
    "job cancelled by hand",
    "`scancel` while it trains; later `xtl resubmit --class cancelled`",
    quick=True,
)
def what_a_person_cancels_stays_cancelled_until_a_person_says_so(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.strike(lambda: scene.cluster.run("scancel", *jobs(scene.bench)))
    scene.rest(1)
    scene.verdict("cancelled")
    assert len(scene.attempts()) == 1
    resubmit(scene, "--class", "cancelled")
    assert scene.resumed_from() > 0
    return f"class cancelled, left alone; then from update {scene.resumed_from()} of 128"


@fault(
    "job cancelled, then requeued by hand",
    "`scancel` of one of two that train, and `scontrol requeue` when xtl has written it off",
    chains=2,
    profile={"policy": {"canary": False}},
    slowly=0.25,
)
def a_job_that_a_person_brings_back_is_followed_and_not_submitted_again(scene: Scene) -> str:
    scene.start()
    for name in (TRAINING, OTHER):
        scene.until_under_way(name)
    job = scene.attempts()[0].claim
    scene.cluster.run("scancel", job.job)
    scene.until(lambda: scene.store.submissions.is_closed(job.submission))
    scene.verdict("cancelled")
    scene.strike(lambda: scene.cluster.run("scontrol", "requeue", job.job))
    scene.recover()
    scene.finish()
    assert len(jobs(scene.bench)) == 1
    assert [each.claim.submission for each in scene.attempts()] == [job.submission] * 2
    assert scene.resumed_from() > 0
    return f"class cancelled; then followed again, from update {scene.resumed_from()} of 128"
