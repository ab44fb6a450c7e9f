"""One array of many trivial jobs, for a test and for a benchmark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slurm.testbed import Testbed
from tests.bench import Bench
from tests.slurm.checkouts import make_trivial
from tests.slurm.sweeps import edit_manifest, on


def many_jobs(testbed: Testbed, prepared: Bench, folder: Path, jobs: int) -> Bench:
    """A sweep of `jobs` jobs in one array, each of a trivial training and its evaluation."""
    checkout = make_trivial(folder / "checkout")
    bench = replace(prepared.copy(folder / "bench"), checkout=checkout)
    edit_manifest(bench, engine={"ranks": 1}, sizes=[0], retrieval=[])
    edit_manifest(bench, replicates=list(range(1, jobs + 1)))
    return on(testbed, bench, memory_per_rank_gib=0.5, poll_seconds=5)
