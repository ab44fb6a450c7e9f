"""The soak: sixty short shards, and for ten minutes a fault every few seconds.

`XTL_SOAK_SECONDS` makes it shorter, `XTL_SOAK_SEED` other faults.
"""

from __future__ import annotations

import json
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
from tests.slurm.faults.scene import outcomes, ranks_of
from tests.slurm.sweeps import claims, edit_manifest, on

SECONDS = float(os.environ.get("XTL_SOAK_SECONDS", "600"))
SEED = int(os.environ.get("XTL_SOAK_SEED", "7"))
REST_S = (2.0, 8.0)  # between two faults
AWAY_S = (1.0, 12.0)  # that a node, or a daemon, is gone
CHAINS = max(3, round(30 * SECONDS / 600))  # of a training and its evaluation each
SETTLED_S = 900.0

PROFILE = {
    "memory_per_rank_gib": 1,
    "limits": {"at_once": 4},
    # Ten minutes of these are more than a cluster does to a shard in its life.
    "policy": {"retries": {"unknown": 50, "node": 50, "communication": 50}, "same_failure": None},
}


@dataclass
class Soak:
    """The faults that can be made at any time, on one sweep."""

    testbed: Testbed
    bench: Bench
    chance: random.Random
    made: Counter[str] = field(default_factory=Counter)
    launcher: subprocess.Popen[bytes] | None = None

    def run(self, seconds: float) -> None:
        """Faults at random; in between somebody starts a launcher where there is none."""
        acts = [
            self.kill_rank,
            self.signal_job,
            self.requeue_job,
            self.power,
            self.cable,
            self.controller,
            self.accounting,
            self.kill_launcher,
        ]
        end = time.monotonic() + seconds
        self.launch()
        while time.monotonic() < end:
            time.sleep(self.chance.uniform(*REST_S))
            act = self.chance.choice(acts)
            if act():
                self.made[act.__name__] += 1
            self.launch()

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

    def settle(self) -> None:
        """All is mended, jobs are left alone, and the sweep goes on until it is over."""
        for node in self.testbed.nodes:
            node.boot()
            node.plug()
        end = time.monotonic() + SETTLED_S
        while True:
            self.launch()
            assert self.launcher
            status = self.launcher.wait(SETTLED_S)
            if status == 0:
                return
            assert time.monotonic() < end, self.bench.run("status").stdout

    def close(self) -> None:
        if self.launcher:
            self.launcher.kill()
            self.launcher.wait()

    # -- faults: each says whether there was anything to do it to --------------------------------
    def kill_rank(self) -> bool:
        found = [process for _, process in ranks_of(self.bench.root)]
        with suppress(psutil.NoSuchProcess):
            if found:
                self.chance.choice(found).kill()
        return bool(found)

    def signal_job(self) -> bool:
        name = self.chance.choice(("TERM", "KILL", "USR2"))
        return self._to_a_job("scancel", f"--signal={name}")

    def requeue_job(self) -> bool:
        return self._to_a_job("scontrol", "requeue")

    def _to_a_job(self, *command: str) -> bool:
        running = self.testbed.run("squeue", "-h", "--array", "-t", "R", "-o", "%i").split()
        return bool(running) and self.testbed.answers(*command, self.chance.choice(running))

    def power(self) -> bool:
        return self._without(Node.power_off, Node.boot)

    def cable(self) -> bool:
        return self._without(lambda node: node.plug(False), Node.plug)

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


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_whatever_is_done_to_a_sweep_its_results_are_those_of_a_quiet_run(
    breakable: Testbed,
    prepared: Bench,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
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
        summary = {
            "faults": dict(soak.made),
            "shards": len(bench.results()),
            "attempts": sum(claims(bench).values()),
            "seconds": round(time.monotonic() - began),
        }
        record_property("summary", summary)
        with capsys.disabled():
            print(f"\nsoak: {json.dumps(summary)}")
    assert outcomes(bench) == outcomes(quiet)
    assert ended_well(bench) == dict.fromkeys(bench.results(), 1)


def ended_well(bench: Bench) -> dict[str, int]:
    """How many attempts at each shard came to a result."""
    ends = [
        (path.parts[-4], json.loads(path.read_text(encoding="utf-8"))["status"])
        for path in (bench.root / "shards").glob("*/attempts/*/end.json")
    ]
    return dict(Counter(shard for shard, status in ends if status == "done"))
