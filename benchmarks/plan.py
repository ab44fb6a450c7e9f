"""How long it takes to plan 10,000 shards. Run: make bench"""

from __future__ import annotations

import statistics
import time

from tests.conftest import DEMO, lock_for
from xtl.sweep.plan import make_plan
from xtl.sweep.reading import read_manifest

RUNS = 5


def main() -> None:
    manifest = read_manifest(DEMO).model_copy(update={"replicates": tuple(range(360))})
    lock = lock_for(manifest)
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        plan = make_plan(manifest, lock)
        seconds.append(time.perf_counter() - started)
    print(f"{len(plan.shards)} shards planned in {statistics.median(seconds):.2f} s", end=" ")
    print(f"(median of {RUNS}; {min(seconds):.2f}–{max(seconds):.2f})")


if __name__ == "__main__":
    main()
