"""How long `xtl status` takes on a sweep of some 1,000 shards, from the command to the last line.

The folder is made up and on this machine's disk: one shard in ten has failed for good (and blocks
what starts from it), all others are done. Beside it, what Python alone takes to start, what the
imports add, and the same sweep with nothing run. Run: make bench
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.conftest import DEMO, lock_for
from xtl.launch.records import Claim, End, Failure, Heartbeat, Result, Submission
from xtl.launch.store import Store
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.reading import read_manifest

REPLICATES = 45  # of the demo: 1,036 shards
RUNS = 9
STARTED = 1_700_000_000.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Path(folder, "empty"), Path(folder, "full")
        plan = make(empty)
        fill(Store(full), make(full))
        commands = {
            "python alone": ["-c", "pass"],
            "with the imports": ["-c", "from jobs.main import load; load(['status'])"],
            "status, nothing run": status(empty),
            "status, all run": status(full),
            "status --failed": [*status(full), "--failed"],
            "status --json": [*status(full), "--json"],
        }
        print(f"{len(plan.shards):,} shards; median of {RUNS}, least to most")
        for name, seconds in side_by_side(commands).items():
            middle = statistics.median(seconds)
            print(f"  {name:20} {middle:.2f} s  ({min(seconds):.2f}–{max(seconds):.2f})")


def status(root: Path) -> list[str]:
    return ["-m", "jobs.main", "status", "--root", str(root), "--cluster", "local"]


def side_by_side(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    """In turn, so that what else the machine does falls on all alike; one round before counts for
    none."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for round_ in range(RUNS + 1):
        for name, words in commands.items():
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, *words], check=True, stdout=subprocess.DEVNULL,
                env=os.environ | {"COLUMNS": "80"},
            )  # fmt: skip
            if round_:
                found[name].append(time.perf_counter() - started)
    return found


# -- the sweep --------------------------------------------------------------------------------
def make(root: Path) -> Plan:
    """A folder with a manifest and its lock."""
    root.mkdir()
    data = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    data["replicates"] = list(range(1, REPLICATES + 1))
    (root / "manifest.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    manifest = read_manifest(root / "manifest.yaml")
    lock = lock_for(manifest)
    Store(root).write_lock(lock)
    return make_plan(manifest, lock)


def fill(store: Store, plan: Plan) -> None:
    """What a sweep leaves, but for artifacts and W&B's files."""
    failed: set[str] = set()
    for index, shard in enumerate(plan.shards.values()):
        if failed.intersection(shard.parents):
            failed.add(shard.id)  # blocked
            continue
        name = f"{shard.id}-1-{index}"
        store.write_shard(shard)
        store.submissions.write(
            Submission(
                name=name,
                sweep="demo",
                cluster="local",
                shards=((shard.id, 1),),
                ranks=2,
                zero_stage=1,
                micro_batch=8,
                mirror="mirror",
                commit="",
                created=STARTED,
            )
        )
        store.submissions.close(name, seen=time.time())
        store.claim(
            Claim(
                shard=shard.id,
                attempt=1,
                submission=name,
                job=str(index),
                restarts=0,
                host="here",
                device="cpu",
                world_size=2,
                micro_batch=8,
                versions={"torch": "2.4.0"},
                commit="",
                started=STARTED,
                stage=shard.stage,
                launched=STARTED - 5,
            )
        )
        store.beat(
            shard.id,
            Heartbeat(attempt=1, time=STARTED + 60, step=64, total=128, metric=1.5, ready=STARTED),
        )
        if index % 10 == 5:
            failed.add(shard.id)
            failure = Failure(cls="code", line=f"KeyError: 'answers {index}'", rank=0)
            end = End(status="failed", failure=failure, step=64, finished=STARTED + 60)
            store.note_failure(shard.id, 1, failure)
        else:
            end = End(status="done", step=128, finished=STARTED + 60)
            metrics = {language: {"f1": 50.0, "exact_match": 40.0} for language in ("en", "sw")}
            store.write_result(
                Result(
                    shard=shard.id,
                    name=shard.name,
                    stage=shard.stage,
                    attempt=1,
                    parents={},
                    metrics=metrics,
                    device_seconds=120.0,
                    finished=STARTED + 60,
                )
            )
        store.end_attempt(shard.id, 1, end)


if __name__ == "__main__":
    main()
