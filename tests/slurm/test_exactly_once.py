"""Every shard exactly once, whatever becomes of launchers and of slurmctld meanwhile.

The shards' own work is trivial here (checkouts.py), so that there is time for many of them.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from slurm.testbed import Testbed
from tests.bench import Bench, until
from tests.slurm.checkouts import make_trivial
from tests.slurm.sweeps import claims, edit_manifest, on

SEED = 20


@pytest.fixture
def trivial(breakable: Testbed, prepared: Bench, tmp_path: Path) -> Bench:
    """Some thirty jobs of two to four shards, a few in the queue at a time."""
    checkout = make_trivial(tmp_path / "checkout")
    copied = replace(prepared.copy(tmp_path / "bench"), checkout=checkout)
    edit_manifest(copied, engine={"ranks": 1}, sizes=[0, 16, 32], replicates=list(range(1, 7)))
    return on(breakable, copied, bundling="training", limits={"submitted": 6})


def interrupt(bench: Bench, times: int) -> None:
    """Launchers that are killed somewhere between their start and two seconds later."""
    moments = random.Random(SEED)
    for _ in range(times):
        launcher = bench.start("sweep")
        time.sleep(moments.uniform(0.4, 2.5))
        launcher.kill()
        launcher.wait()


def assert_each_ran_once(bench: Bench) -> None:
    shards = bench.shards()
    assert {shard["state"] for shard in shards.values()} == {"done"}
    counts = claims(bench)
    assert set(counts) == {shard["id"] for shard in shards.values()}
    assert {shard: times for shard, times in counts.items() if times > 1} == {}


def test_launchers_killed_while_they_submit(trivial: Bench) -> None:
    interrupt(trivial, 4)
    trivial.sweep()
    assert_each_ran_once(trivial)


@pytest.mark.long
def test_launchers_killed_at_twenty_instants(trivial: Bench) -> None:
    interrupt(trivial, 20)
    trivial.sweep()
    assert_each_ran_once(trivial)


def test_two_launchers_at_once(trivial: Bench) -> None:
    launchers = [trivial.start("sweep"), trivial.start("sweep")]
    assert [launcher.wait() for launcher in launchers] == [0, 0]
    assert_each_ran_once(trivial)


def test_slurmctld_restarted_in_between(trivial: Bench, breakable: Testbed) -> None:
    launcher = trivial.start("sweep")
    until(lambda: len(claims(trivial)) > 3)
    breakable.stop_controller()
    shards = trivial.shards()
    assert not {shard["state"] for shard in shards.values()} & {"failed", "lost"}
    time.sleep(3)
    breakable.start_controller()
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    assert_each_ran_once(trivial)
