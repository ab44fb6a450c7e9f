"""An array of jobs through the whole path, beside a plain sbatch array. Needs root. Run: make bench

Three arrays of as many jobs on one throw-away cluster, one after the other:
- plain: `true`, as sbatch alone runs it;
- python: `srun python -c pass`, the least that a Python job costs;
- xtl: a trivial training and its evaluation, from `xtl sweep` to the report.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from slurm.testbed import Testbed
from slurm.testbed.packages import why_not
from slurm.testbed.waiting import until
from tests.bench import MANIFEST, Bench
from tests.slurm.arrays import many_jobs
from tests.slurm.sweeps import claims
from tests.tiny import make_tiny_encoder

JOBS = 500
LIMIT_S = 1800


def main() -> None:
    if reason := why_not():
        print(f"the array of Slurm jobs was not timed: {reason}")
        return
    testbed = Testbed("bench")
    testbed.up()
    try:
        with tempfile.TemporaryDirectory() as folder:
            show(measured(testbed, Path(folder)))
    finally:
        testbed.down()


def measured(testbed: Testbed, folder: Path) -> dict[str, float]:
    """Seconds by kind of array."""
    bench = many_jobs(testbed, prepared(folder), folder / "many", JOBS)
    seconds = {
        "plain": timed(lambda: array(testbed, "true")),
        "python": timed(lambda: array(testbed, f"srun {sys.executable} -c pass")),
        "xtl": timed(lambda: bench.sweep()),
    }
    counts = claims(bench)
    assert len(counts) == 2 * JOBS, "a shard was lost"
    assert set(counts.values()) == {1}, "a shard was doubled"
    return seconds


def prepared(folder: Path) -> Bench:
    make_tiny_encoder(folder / "hub" / "tests" / "tiny-xlm-r")
    (folder / "prepared").mkdir()
    (folder / "prepared" / "tiny.yaml").write_text(MANIFEST)
    places = {"XTL_HUB": str(folder / "hub"), "XTL_CACHE": str(folder / "cache")}
    bench = Bench(folder / "prepared", {**os.environ, **places, "COLUMNS": "80"})
    done = bench.run("prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    return bench


def array(testbed: Testbed, command: str) -> None:
    options = [f"--array=0-{JOBS - 1}", "--mem=512M", "--output=/dev/null", "--parsable"]
    job = testbed.run("sbatch", *options, "--wrap", command).strip()
    queued = ("squeue", "--noheader", f"--jobs={job}", "--states=all", "--format=%T")

    def over() -> bool:
        return set(testbed.run(*queued).split()) == {"COMPLETED"}

    until(over, LIMIT_S, f"array {job}", every_s=0.5)


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def show(seconds: dict[str, float]) -> None:
    table = Table(title=f"{JOBS} jobs, {os.cpu_count()} cores", title_justify="left")
    for heading in ("array", "seconds", "jobs/s", "of plain"):
        table.add_column(heading, justify="left" if heading == "array" else "right")
    for name, taken in seconds.items():
        share = f"{seconds['plain'] / taken:.2f}"
        table.add_row(name, f"{taken:.1f}", f"{JOBS / taken:.1f}", share)
    Console().print(table)


if __name__ == "__main__":
    main()
