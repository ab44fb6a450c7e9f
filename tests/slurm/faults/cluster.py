"""Faults of the cluster: preemption, limits, nodes, its daemons, its books."""

from __future__ import annotations

import time

from slurm.testbed.nodes import Node
from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.ranks import KILLED, tried_again
from tests.slurm.faults.scene import EVALUATION, TRAINING, Scene
from tests.slurm.helpers import submit
from tests.slurm.sweeps import jobs


def preempt(scene: Scene) -> None:
    submit(scene.cluster, "sleep 1", "--partition=high", "--nodes=4", "--exclusive")


def went_on(scene: Scene, least: int = 1) -> str:
    """The job that was interrupted went on by itself, under its own id."""
    scene.recover()
    scene.finish()
    assert len(jobs(scene.bench)) == 1, "the job itself went back into the queue"
    assert scene.told_classes() == []
    assert scene.resumed_from() >= least
    return f"goes on from update {scene.resumed_from()} of 128"


@fault(
    "job preempted, with grace",
    "a job of a higher partition takes the nodes; 10 s of grace",
    profile={"partition": "low"},
    quick=True,
)
def a_preempted_training_saves_and_goes_on_where_it_was(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.strike(lambda: preempt(scene))
    said = went_on(scene)
    assert scene.classes() == ["preempted"]
    return f"class preempted: saves, requeues itself, {said}"


@fault(
    "job preempted, without grace",
    "the same, SIGKILL 2 s after SIGTERM, while rank 0 is held in a checkpoint and cannot answer",
    profile={"partition": "harsh"},
)
def a_training_that_is_killed_without_grace_goes_on_from_its_last_checkpoint(scene: Scene) -> str:
    scene.meet("checkpoint")
    scene.strike(lambda: preempt(scene))
    said = went_on(scene)
    assert scene.attempts()[0].end is None, "it had no time for a word"
    return f"Slurm requeues it; {said}"


@fault(
    "job preempted in evaluation",
    "the same with grace, which is shorter than the evaluation takes",
    profile={"partition": "low"},
)
def an_evaluation_that_is_preempted_begins_again(scene: Scene) -> str:
    scene.meet("evaluation")
    scene.strike(lambda: preempt(scene), EVALUATION)
    scene.recover()
    scene.finish()
    assert [len(scene.attempts(name)) for name in (TRAINING, EVALUATION)] == [1, 2]
    return "Slurm requeues it; the evaluation begins again, its training stays done"


@fault("a job is requeued by hand", "`scontrol requeue` while it trains")
def a_training_that_somebody_requeues_goes_on(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.strike(lambda: scene.cluster.run("scontrol", "requeue", scene.job))
    return f"it {went_on(scene, 0)}"


@fault(
    "time limit",
    "a training of over a minute in a job that may run for one",
    profile={
        "time": {"intermediate": 1, "target": 1, "evaluate": 1},
        "bundling": "training",
        "signal_seconds": 20,
    },
    slowly=1.2,
)
def a_training_that_meets_its_time_limit_goes_on(scene: Scene) -> str:
    scene.start()
    scene.until(lambda: len(scene.attempts()) > 1)
    scene.finish()
    assert set(scene.classes()) == {"time-limit"}
    assert len(jobs(scene.bench)) == 1
    first, second = scene.attempts()[:2]
    assert first.end
    scene.seconds = second.claim.started - first.end.finished
    times = len(scene.attempts()) - 1
    return f"class time-limit: saves, requeues itself, {times} times; at last done"


def first_node(scene: Scene) -> Node:
    """The node of the job's rank 0."""
    return scene.cluster.node(scene.attempts()[-1].claim.host)


@fault("node powered off", "the power of rank 0's node is cut", quick=True)
def a_training_whose_node_loses_power_goes_on_elsewhere(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    node = first_node(scene)
    scene.strike(node.power_off)
    said = went_on(scene)
    assert scene.attempts()[-1].claim.host != node.name
    return f"Slurm: NODE_FAIL, requeued; on other nodes it {said}"


@fault(
    "node unplugged and plugged",
    "the network of rank 0's node is gone until the job waits in the queue for two nodes",
)
def a_node_that_comes_back_with_an_old_copy_of_the_job_does_no_harm(scene: Scene) -> str:
    """All nodes but two are busy, so that the requeued job comes back to where its copy runs."""
    others = submit(scene.cluster, "sleep 600", "--nodes=2", "--exclusive")
    scene.start()
    scene.until_under_way()
    node = first_node(scene)
    scene.strike(lambda: node.plug(False))
    scene.until(lambda: reason(scene) == "PENDING Resources")
    assert list(scene.ranks()), "a copy is there, unseen"
    node.plug()
    scene.until(lambda: is_drained(scene, node) or len(scene.attempts()) > 1)
    scene.cluster.run("scancel", others)
    said = went_on(scene)
    if not is_drained(scene, node):
        return f"Slurm: NODE_FAIL, requeued; the node ends its copy, and the job {said} there"
    assert scene.attempts()[-1].claim.host != node.name
    return (
        "Slurm: NODE_FAIL, requeued; the node refuses it for the copy's sake and is drained, Slurm "
        f"holds the job (*launch failed requeued held*); xtl lets it go; on other nodes it {said}"
    )


def is_drained(scene: Scene, node: Node) -> bool:
    """Slurm gave it the job before it told it to end its copy: which is first is Slurm's chance."""
    return scene.cluster.states()[node.name].startswith("drain")


@fault(
    "launch failed, job held",
    "no node can write the job's batch folder, until Slurm has held it and xtl let it go once",
)
def a_job_that_slurm_holds_after_a_failed_launch_is_let_go(scene: Scene) -> str:
    """Slurm counts jobs on, so the next one's number is known."""
    before = submit(scene.cluster, "true", "--hold")
    scene.cluster.run("scancel", before)
    folder = f"job{int(before) + 1:05}"
    blocks = [scene.cluster.layout.spool(node.name) / folder for node in scene.cluster.nodes]
    for block in blocks:
        block.write_text("no folder")
    scene.start()
    scene.until(lambda: jobs(scene.bench))
    scene.strike(lambda: scene.until(lambda: releases(scene)))
    for block in blocks:
        block.unlink(missing_ok=True)
    scene.recover()
    scene.finish()
    held = "was held by Slurm (its node could not launch it, and Slurm holds it): let go"
    assert f"job {scene.job} {held}" in scene.told.splitlines()
    assert len(jobs(scene.bench)) == len(scene.attempts()) == 1
    return "Slurm holds it (*launch failed requeued held*); xtl lets it go, and says so; it runs"


def releases(scene: Scene) -> int:
    submissions = scene.store.submissions
    return sum(submissions.releases(entry.name) for entry in submissions.open())


def reason(scene: Scene) -> str:
    """The state of the job, and why it waits, as squeue says them."""
    return scene.cluster.run("squeue", "-h", "--array", "-j", scene.job, "-o", "%T %r").strip()


@fault("slurmctld restarted", "stopped for 5 s while a job trains, started again", slowly=0.25)
def slurmctld_may_go_while_jobs_run(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.strike(scene.cluster.stop_controller)
    time.sleep(5)
    assert scene.state()["state"] in ("running", "unknown")
    scene.cluster.start_controller()
    scene.until(lambda: scene.state()["state"] == "running")
    scene.seconds = time.time() - scene.struck
    scene.finish()
    assert len(scene.attempts()) == 1
    return "the job trains on; while nobody answers, nothing is taken for lost"


@fault("slurmctld restarted, jobs waiting", "stopped for 5 s while a job waits, started again")
def slurmctld_may_go_while_jobs_wait(scene: Scene) -> str:
    blocker = submit(scene.cluster, "sleep 600", "--nodes=4", "--exclusive")
    scene.start()
    scene.until(lambda: jobs(scene.bench))
    scene.strike(scene.cluster.stop_controller)
    assert scene.state()["state"] in ("queued", "unknown")
    time.sleep(5)
    scene.cluster.start_controller()
    scene.cluster.run("scancel", blocker)
    scene.recover()
    scene.finish()
    assert len(jobs(scene.bench)) == 1
    return "it is not submitted again, and starts in its turn"


@fault(
    "slurmdbd down", "stopped while a job trains; a rank is killed; started when it trains again"
)
def without_its_database_slurm_is_believed_as_far_as_it_knows(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.cluster.stop_accounting()
    scene.strike(lambda: scene.kill_rank(1))
    scene.recover()
    scene.cluster.start_accounting()
    scene.finish()
    (cls,) = scene.classes()
    assert cls in KILLED
    assert scene.resumed_from() > 0
    assert scene.told_classes() == [cls]
    return f"class {cls}, by the queue's word and the logs; tried again by itself meanwhile"


@fault(
    "accounting gone",
    "a cluster that has no slurmdbd at all; a rank is killed",
    place="no accounting",
)
def without_accounting_the_queue_and_the_files_are_enough(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.strike(lambda: scene.kill_rank(1))
    said = tried_again(scene)
    assert scene.resumed_from() > 0
    return f"{said}, from update {scene.resumed_from()} of 128"
