"""Faults of launchers, of what is asked of Slurm, and of what people plan and do."""

from __future__ import annotations

import time

from tests.slurm.checkouts import LEASE
from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.ranks import mend_and_resubmit, resubmit
from tests.slurm.faults.scene import EVALUATION, TRAINING, Scene
from tests.slurm.helpers import submit
from tests.slurm.sweeps import edit_manifest, jobs, on


@fault("launcher killed", "SIGKILL of `xtl sweep` while a job trains; started again")
def a_launcher_may_be_killed(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()

    def kill_and_start() -> None:
        scene.kill_launcher()
        scene.start()

    scene.strike(kill_and_start)
    scene.recover(again=False)
    scene.finish()
    assert (len(jobs(scene.bench)), len(scene.attempts())) == (1, 1)
    return "the job trains on; the next launcher follows it, and submits nothing twice"


@fault(
    "two launchers",
    "two `xtl sweep` at once, which do not heed the lease: both submit all there is",
    planted={"launch/lease": LEASE},
)
def two_launchers_do_no_harm(scene: Scene) -> str:
    scene.start()
    scene.strike(scene.start)
    scene.recover()
    scene.finish()
    assert [len(scene.attempts(name)) for name in (TRAINING, EVALUATION)] == [1, 1]
    return f"{len(jobs(scene.bench))} jobs for one chain: one claims it, the other leaves"


FULL = "Slurm: you have as many jobs in the queue as there may be (1)"


@fault(
    "sbatch refuses: limit",
    "the account may have one job in the queue, and has one; it ends 10 s later",
)
def a_full_queue_is_waited_for(scene: Scene) -> str:
    cluster = scene.cluster
    blocker = submit(cluster, "sleep 600")
    limit = ("sacctmgr", "-i", "modify", "user", "root", "set")
    cluster.run(*limit, "MaxSubmitJobs=1")
    try:
        scene.strike(scene.start)
        time.sleep(10)
        assert not scene.ended(), "it waits"
        assert scene.state()["state"] == "missing"
        assert not jobs(scene.bench)
        cluster.run("scancel", blocker)
        scene.recover()
        scene.finish()
    finally:
        cluster.run(*limit, "MaxSubmitJobs=-1")
    told = [line for line in scene.told.splitlines() if line.startswith("Slurm: ")]
    assert told == [FULL, "Slurm: no more of that"]
    assert (len(jobs(scene.bench)), len(scene.attempts())) == (1, 1)
    return f"waited for, without a try spent; one line says: {FULL}"


@fault(
    "sbatch refuses: partition", "a profile names a partition that the cluster lacks", quick=True
)
def a_partition_that_the_cluster_lacks_is_said_before_anything_is_submitted(scene: Scene) -> str:
    bad = on(scene.cluster, scene.bench, partition="moon")
    scene.strike(lambda: None)
    done = bad.run("sweep")
    scene.seconds = time.time() - scene.struck
    assert done.returncode == 2
    assert "partition: found moon, expected one that the cluster has" in done.stderr
    assert not (bad.root / "batches").exists()
    scene.bench = on(scene.cluster, scene.bench)
    scene.start()
    scene.finish()
    return "one line, exit status 2, nothing written or submitted; mended, it runs"


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
    assert len([s for s in scene.bench.shards().values() if s["name"].startswith(PARENT)]) == 3
    assert scene.state(CHILD)["state"] == "blocked"
    edit_manifest(scene.bench, sizes=[0])  # what does not come of it is as in any other sweep
    scene.start()
    scene.finish()
    return "class diverged: no hand-over, not tried again, its children blocked; the rest is done"


@fault("job cancelled by hand", "`scancel` while it trains; later `xtl resubmit --class cancelled`")
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


OTHER = "0 s2 → lookup-qa"


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
