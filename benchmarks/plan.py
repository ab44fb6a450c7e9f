"""How long it takes to plan: the manifests of the project as locked, and 10,000 shards.

Run: make bench
"""

from __future__ import annotations

import statistics
import time

from tests.conftest import DEMO, lock_for
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import make_plan
from xtl.sweep.reading import read_manifest

RUNS = 5
ROWS = 400_000  # of each table of the made-up lock: at least what any size asks for


def main() -> None:
    manifests = [read_manifest(DEMO.parent / f"{name}.yaml") for name in ("qa-scaling", "xstilts")]
    many = read_manifest(DEMO).model_copy(update={"replicates": tuple(range(440))})
    for manifest in (*manifests, many):
        report(manifest)


def report(manifest: Manifest) -> None:
    lock = lock_for(manifest, ROWS)
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        plan = make_plan(manifest, lock)
        seconds.append(time.perf_counter() - started)
    print(f"{manifest.name}: {len(plan.shards)} shards planned in", end=" ")
    print(f"{statistics.median(seconds):.2f} s (median of {RUNS};", end=" ")
    print(f"{min(seconds):.2f}–{max(seconds):.2f})")


if __name__ == "__main__":
    main()
