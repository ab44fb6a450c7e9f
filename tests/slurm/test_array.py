"""An array of 500 jobs through the whole path."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.testbed import Testbed
from tests.bench import Bench
from tests.slurm.arrays import many_jobs
from tests.slurm.sweeps import claims, jobs

JOBS = 500


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_of_500_jobs_none_is_lost_or_doubled(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    bench = many_jobs(breakable, prepared, tmp_path, JOBS)
    said = bench.sweep()
    assert said == {"submitted": 2 * JOBS, "states": {"done": 2 * JOBS}}
    assert len(jobs(bench)) == 1
    assert sorted(claims(bench).values()) == [1] * 2 * JOBS
