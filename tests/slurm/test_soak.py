"""The soak: sixty short shards, and for ten minutes a fault every few seconds.

`XTL_SOAK_SECONDS` makes it shorter, with fewer shards, `XTL_SOAK_SEED` other faults. It ends with a
table of the faults that were made.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from slurm.testbed import Testbed
from slurm.testbed.nodes import Node
from tests.bench import Bench
from tests.slurm.sweeps import (
    begun_twice,
    claims,
    edit_manifest,
    ended_well,
    on,
    outcomes,
    ranks_of,
)

SECONDS = float(os.environ.get("XTL_SOAK_SECONDS", "600"))
SEED = int(os.environ.get("XTL_SOAK_SEED", "7"))
REST_S = (2.0, 8.0)  # between two faults
AWAY_S = (1.0, 12.0)  # that a node, or a daemon, is gone
CHAINS = max(3, round(30 * SECONDS / 600))  # of a training and its evaluation each
SETTLED_S = 900.0
CLAIMS = "*/attempts/*/claim.json"

PROFILE = {
    "memory_per_rank_gib": 1,
    "limits": {"at_once": 4},
    # Ten minutes of these are more than a cluster does to a shard in its life.
    "policy": {
        "retries": {"unknown": 50, "node": 50, "communication": 50},
        "stalls": {"preempted": 50, "time-limit": 50},
        "same_failure": None,
        "canary": False,  # or all that is done would be done to one shard at first
    },
}


@dataclass
class Soak:
    """The faults that can be made at any time, on one sweep."""

    testbed: Testbed
    bench: Bench
    chance: random.Random
    made: list[str] = field(default_factory=list)  # kinds of fault, one after the other
    busy: dict[str, set[str]] = field(default_factory=dict)  # shards at work then, by kind
    idle: int = 0  # faults that met none at work
    launcher: subprocess.Popen[bytes] | None = None

    @property
    def kinds(self) -> dict[str, Callable[[], bool]]:
        """Each says whether there was anything to do it to. SIGKILL is for a rank alone: of a whole
        job it is to Slurm a person's cancelling, after which a shard waits for a person."""
        return {
            "a rank is killed": self.kill_rank,
            "a job gets SIGTERM": lambda: self._to_a_job("scancel", "--signal=TERM"),
            "a job gets SIGUSR2": lambda: self._to_a_job("scancel", "--signal=USR2"),
            "a job is requeued": lambda: self._to_a_job("scontrol", "requeue"),
            "a node loses power": lambda: self._without(Node.power_off, Node.boot),
            "a node is unplugged": lambda: self._without(unplug, Node.plug),
            "slurmctld is restarted": self.controller,
            "slurmdbd is restarted": self.accounting,
            "the launcher is killed": self.kill_launcher,
        }

    def run(self, seconds: float) -> None:
        """Faults of all kinds, in another order each time round; in between people do their part:
        one starts a launcher where there is none, one takes back nodes that Slurm has drained."""
        end, due = time.monotonic() + seconds, list[str]()
        self.launch()
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(*REST_S))
            due = due or self.chance.sample(list(self.kinds), len(self.kinds))
            self._make_the_first_of(due)
            self.launch()
            self.take_back()

    def _make_the_first_of(self, due: list[str]) -> None:
        """That can be made now: it is due no more."""
        for kind in list(due):
            busy = under_way(self.bench)
            if self.kinds[kind]():
                due.remove(kind)
                self.made.append(kind)
                self.busy.setdefault(kind, set()).update(busy)
                self.idle += not busy
                return

    def launch(self) -> None:
        """As a person, or a line of crontab, does who finds that it has left."""
        if self.launcher is None or self.launcher.poll() is not None:
            log = (self.bench.folder / "launcher.log").open("ab")
            path = os.pathsep.join(map(str, self.bench.path))
            self.launcher = subprocess.Popen(
                self.bench.command("sweep"),
                cwd=self.bench.checkout,
                env=self.bench.env | {"PYTHONPATH": path},
                stdout=log,
                stderr=log,
            )

    def take_back(self) -> None:
        """As an administrator does: steps that end while slurmctld is away cost their nodes a
        drain (*Kill task failed*), and so do copies of a job (*Duplicate jobid*)."""
        for name, state in self.testbed.states().items():
            if state.startswith(("dr", "down")):
                self.testbed.answers("scontrol", "update", f"nodename={name}", "state=resume")

    def settle(self) -> None:
        """All is mended, jobs are left alone, and the sweep goes on until it is over."""
        for node in self.testbed.nodes:
            node.boot()
            node.plug()
        end = time.monotonic() + SETTLED_S
        while True:
            self.launch()
            assert self.launcher
            with suppress(subprocess.TimeoutExpired):
                if self.launcher.wait(5) == 0:
                    return
            self.take_back()
            assert time.monotonic() < end, self.bench.run("status").stdout

    def close(self) -> None:
        if self.launcher:
            self.launcher.kill()
            self.launcher.wait()

    def table(self) -> str:
        """The faults that were made, by kind."""
        times = Counter(self.made)
        rows = [f"{'fault':<24} {'made':>5}  shards at work then"]
        rows += [
            f"{kind:<24} {times[kind]:>5}  {len(self.busy.get(kind, ()))}" for kind in self.kinds
        ]
        return "\n".join([*rows, f"{'all':<24} {len(self.made):>5}"])

    # -- faults ----------------------------------------------------------------------------------
    def kill_rank(self) -> bool:
        found = [process for _, process in ranks_of(self.bench.root)]
        with suppress(psutil.NoSuchProcess):
            if found:
                self.chance.choice(found).kill()
        return bool(found)

    def _to_a_job(self, *command: str) -> bool:
        running = self.testbed.run("squeue", "-h", "--array", "-t", "R", "-o", "%i").split()
        return bool(running) and self.testbed.answers(*command, self.chance.choice(running))

    def _without(self, take: Callable[[Node], None], give: Callable[[Node], None]) -> bool:
        node = self.chance.choice(self.testbed.nodes)
        take(node)
        self._wait()
        give(node)
        return True

    def controller(self) -> bool:
        self.testbed.stop_controller()
        self._wait()
        self.testbed.start_controller()
        return True

    def accounting(self) -> bool:
        self.testbed.stop_accounting()
        self._wait()
        self.testbed.start_accounting()
        return True

    def kill_launcher(self) -> bool:
        assert self.launcher
        self.launcher.send_signal(signal.SIGKILL)
        self.launcher.wait()
        return True

    def _wait(self) -> None:
        time.sleep(self.chance.uniform(*AWAY_S))


def unplug(node: Node) -> None:
    node.plug(False)


def under_way(bench: Bench) -> set[str]:
    """Shards with an attempt that has not ended: at work, or cut off and not yet begun again."""
    latest = {path.parts[-3]: path for path in sorted((bench.root / "shards").glob(CLAIMS))}
    return {shard for shard, path in latest.items() if not path.with_name("end.json").exists()}


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_whatever_is_done_to_a_sweep_its_results_are_those_of_a_quiet_run(
    breakable: Testbed,
    prepared: Bench,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quiet = prepared.copy(tmp_path / "quiet")
    edit_manifest(quiet, sizes=[0], retrieval=[], replicates=list(range(1, CHAINS + 1)))
    bench = on(breakable, quiet.copy(tmp_path / "bench"), **PROFILE)
    quiet.sweep()
    soak, began = Soak(breakable, bench, random.Random(SEED)), time.monotonic()
    try:
        soak.run(SECONDS)
        soak.settle()
    finally:
        soak.close()
        with capsys.disabled():
            print(f"\n{soak.table()}\n{summary(bench, quiet)} ({time.monotonic() - began:.0f} s)")
    assert outcomes(bench) == outcomes(quiet)
    assert ended_well(bench) == dict.fromkeys(bench.results(), 1)
    assert begun_twice(bench) == []
    assert len(soak.made) < len(soak.kinds) or set(soak.made) == set(soak.kinds)
    assert all(soak.busy.values()), "each kind has met shards at work"
    assert soak.idle <= len(soak.made) / 4, "the sweep was over long before the faults were"


def summary(bench: Bench, quiet: Bench) -> str:
    ours, theirs, tries = outcomes(bench), outcomes(quiet), claims(bench)
    equal = sum(ours.get(shard) == found for shard, found in theirs.items())
    again = sum(count > 1 for count in tries.values())
    return (
        f"{again} of {len(theirs)} shards were begun again, {sum(tries.values())} attempts in all; "
        f"{equal} of {len(theirs)} equal, bit for bit, to a quiet run's"
    )
