"""Faults of what is asked of Slurm: what it refuses, and what is seen before it is asked."""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.people import OTHER
from tests.slurm.faults.scene import Scene
from tests.slurm.helpers import submit
from tests.slurm.sweeps import edit_manifest, jobs, on, sizes

FULL = "Slurm: you have as many jobs in the queue as there may be (1)"


@fault(
    "a queue that is full",
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


@fault("no such partition", "a profile names a partition that the cluster lacks", quick=True)
def a_partition_that_the_cluster_lacks_is_said_before_anything_is_submitted(scene: Scene) -> str:
    bad = on(scene.cluster, scene.bench, partition="moon")
    before = paths(scene)
    scene.strike(lambda: None)
    done = bad.run("sweep")
    scene.seconds = time.time() - scene.struck
    assert done.returncode == 2
    assert "partition: found moon, expected one that the cluster has" in done.stderr
    assert paths(scene) == before
    assert not scene.cluster.run("squeue", "-h")
    scene.bench = on(scene.cluster, scene.bench)
    scene.start()
    scene.finish()
    return "one line, exit status 2, nothing written or submitted; mended, it runs"


def paths(scene: Scene) -> list[Path]:
    return sorted(scene.bench.root.rglob("*"))


def first_chain(scene: Scene) -> None:
    """Is swept; from now on the cluster's limits are known, and not asked for within the hour."""
    every = yaml.safe_load((scene.bench.folder / "tiny.yaml").read_text())["replicates"]
    edit_manifest(scene.bench, replicates=every[:1])
    scene.bench.sweep()
    edit_manifest(scene.bench, replicates=every)


@fault(
    "sbatch refuses: limit",
    "the account may have two jobs in the queue, which xtl does not know yet, and has one",
    chains=3,
    profile={"policy": {"canary": False}, "bundling": "training"},
)
def what_sbatch_refuses_for_want_of_room_is_sent_in_parts(scene: Scene) -> str:
    """An array of two chains, of which one finds room."""
    first_chain(scene)
    blocker = submit(scene.cluster, "sleep 600")
    limit = ("sacctmgr", "-i", "modify", "user", "root", "set")
    scene.cluster.run(*limit, "MaxSubmitJobs=2")
    try:
        scene.strike(scene.start, OTHER)
        scene.recover()
        scene.finish()
    finally:
        scene.cluster.run(*limit, "MaxSubmitJobs=-1")
        scene.cluster.run("scancel", blocker)
    told = [line for line in scene.told.splitlines() if line.startswith("Slurm: ")]
    assert "MaxSubmitJobLimit" in told[0]
    assert sizes(scene.bench) == [1, 1, 1]
    return "the array goes in parts, the second when the first is over; no try is spent"


@fault(
    "sbatch refuses: partition",
    "the partition is made inactive when xtl has seen that it is up",
    chains=2,
)
def what_sbatch_refuses_for_good_is_one_line_and_leaves_nothing(scene: Scene) -> str:
    first_chain(scene)
    before = paths(scene)
    state = ("scontrol", "update", "PartitionName=main")
    scene.cluster.run(*state, "State=INACTIVE")
    try:
        scene.strike(lambda: None, OTHER)
        done = scene.bench.run("sweep")
        scene.seconds = time.time() - scene.struck
    finally:
        scene.cluster.run(*state, "State=UP")
    assert done.returncode == 2
    assert "partition main" in done.stderr
    left = {path.relative_to(scene.bench.root).parts[0] for path in {*paths(scene)} - {*before}}
    assert not left & {"batches", "submissions"}
    scene.start()
    scene.finish()
    return "one line, exit status 2, nothing left behind; mended, it runs"
