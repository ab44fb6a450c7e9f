"""Every shard exactly once, whatever becomes of launchers and of Slurm's daemons meanwhile.

The shards' own work is trivial here (checkouts.py), so that there is time for many of them.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from slurm.testbed import Testbed
from tests.bench import Bench, until
from tests.slurm.arrays import many_jobs
from tests.slurm.checkouts import DYING, EXECUTION, LEASE, SBATCH, TOGETHER, make_trivial
from tests.slurm.conftest import MakeTestbed
from tests.slurm.sweeps import begun_twice, claims, edit_manifest, ended_well, jobs, on

SEED = 20


def trivial(testbed: Testbed, prepared: Bench, folder: Path, planted: Mapping[str, str]) -> Bench:
    """Some thirty jobs of two to four shards, a few in the queue at a time."""
    checkout = make_trivial(folder / "checkout", planted)
    copied = replace(prepared.copy(folder / "bench"), checkout=checkout)
    edit_manifest(copied, engine={"ranks": 1}, sizes=[0, 16, 32], replicates=list(range(1, 7)))
    return on(testbed, copied, bundling="training", limits={"submitted": 6})


def dies_after(bench: Bench, writes: int | str) -> None:
    """A launcher that is killed right after so many files and calls of sbatch, or that one."""
    mortal = replace(bench, env=bench.env | {"XTL_DIES_AFTER": str(writes)})
    assert mortal.run("sweep").returncode == -signal.SIGKILL


def assert_each_ran_once(bench: Bench) -> None:
    shards = bench.shards()
    assert {shard["state"] for shard in shards.values()} == {"done"}
    counts = claims(bench)
    assert set(counts) == {shard["id"] for shard in shards.values()}
    assert {shard: times for shard, times in counts.items() if times > 1} == {}
    assert begun_twice(bench) == []


MORTAL = {"files": DYING, "launch/slurm/client": SBATCH}


def test_launchers_killed_around_sbatch(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    """After a submission, the batch, the script, sbatch itself and the id that it gave."""
    bench = trivial(breakable, prepared, tmp_path, MORTAL)
    for written in ("submission.json", "batch.json", "script.sh", "submit", "job.json"):
        dies_after(bench, written)
    bench.sweep()
    assert_each_ran_once(bench)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_launchers_killed_at_twenty_instants(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    bench = trivial(breakable, prepared, tmp_path, MORTAL)
    instants = random.Random(SEED).sample(range(1, 33), 20)
    for writes in instants:
        dies_after(bench, writes)
    bench.sweep()
    assert_each_ran_once(bench)


def test_two_launchers_at_once_that_do_not_heed_one_another(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    """Both have decided on the same jobs before either submits; files alone keep it right."""
    planted = {"launch/lease": LEASE, "launch/slurm/scheduler": TOGETHER}
    bench = trivial(breakable, prepared, tmp_path, planted)
    launchers = [bench.start("sweep"), bench.start("sweep")]
    assert [launcher.wait() for launcher in launchers] == [0, 0]
    assert_each_ran_once(bench)


def test_slurmctld_restarted_while_jobs_run_and_wait(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    bench = many_jobs(breakable, prepared, tmp_path, 6)
    all_at_once = {"poll_seconds": 1, "policy": {"canary": False}, "limits": {"at_once": 2}}
    bench = on(breakable, bench, **all_at_once)
    launcher = bench.start("sweep")
    until(lambda: bool(claims(bench)))
    breakable.stop_controller()
    assert len(bench.results()) < 12, "it was met on its way"
    breakable.start_controller()
    until(lambda: len(bench.results()) == 12)
    launcher.kill()  # of jobs that ended meanwhile, it would wait a minute for Slurm's word
    launcher.wait()
    assert_each_ran_once(bench)
    assert len(jobs(bench)) == 1


# The rank that runs the first shard of all dies, as of SIGKILL.
FALLING = """

_lived = Execution.run


def _fall(self: Execution) -> bool:
    import os

    try:
        (self._store.root / "fallen").touch(exist_ok=False)
    except FileExistsError:
        return _lived(self)
    os.kill(os.getpid(), 9)
    return False


Execution.run = _fall  # type: ignore[method-assign]
"""


def test_without_accounting_the_queue_and_the_files_are_enough(
    make_testbed: MakeTestbed, prepared: Bench, tmp_path: Path
) -> None:
    """There is no slurmdbd, so no sacct; the rank that runs the first shard is killed."""
    planted = {"launch/execution": EXECUTION + FALLING}
    bench = trivial(make_testbed(nodes=2, accounting=False), prepared, tmp_path, planted)
    edit_manifest(bench, sizes=[0], replicates=[1, 2])
    bench.sweep()
    shards = bench.shards()
    assert {shard["state"] for shard in shards.values()} == {"done"}
    assert sorted(claims(bench).values()) == [1] * (len(shards) - 1) + [2]
    assert ended_well(bench) == dict.fromkeys(claims(bench), 1)
    assert len(jobs(bench)) > 1
