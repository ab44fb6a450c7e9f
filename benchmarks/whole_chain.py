"""XLM-R Large itself, by two ranks on CPUs, from public weights to scores. Run: make bench

Its own configuration with random weights goes through `xtl sweep`: an intermediate training, the
hand-over, a target training and the evaluation, ZeRO 1 in bf16, a few updates each. Shown are the
seconds of each shard, and the memory of the launcher and all ranks together: their resident sets
added up, in which pages that two of them share count twice. Where less is available than such a
run takes, it is not begun; where memory ends while it runs, it is ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.bench import Bench
from tests.xlm_r import make_xlm_r
from xtl.launch.store import Store

GIB = 2**30
MEMORY_GIB, DISK_GIB = 21.0, 35.0  # what must be free before it begins
LEAST_GIB = 0.25  # of memory that is left: below it others would be killed
EVERY_S = 0.2

MANIFEST = """
name: whole-chain
model: {repo: FacebookAI/xlm-roberta-large}
engine: {ranks: 2, zero_stage: 1, precision: bf16, micro_batch: 1}
intermediate:
  - task: lookup-pool
    training: {epochs: 1, batch_size: 4, max_length: 256}
sizes: [16]
replicates: [1]
targets:
  - task: lookup-qa
    training: {epochs: 1, batch_size: 4, max_length: 256}
    train_on: 16
    languages: [en, sw]
    evaluate_on: 16
keep: nothing
"""


@dataclass(frozen=True)
class Sample:
    """`time` in seconds since the epoch; bytes of each process, and what the machine has left."""

    time: float
    processes: tuple[int, ...]
    available: int


@dataclass(frozen=True)
class Stretch:
    """A shard, or all there is before, between and after them."""

    name: str
    seconds: float
    samples: tuple[Sample, ...]

    @property
    def peak_gib(self) -> float:
        return max((sum(each.processes) for each in self.samples), default=0) / GIB


def main() -> None:
    if reason := why_not(Path(tempfile.gettempdir())):
        print(f"the chain of XLM-R Large was not run: {reason}")
        return
    folder = Path(tempfile.mkdtemp(prefix="xtl-whole-chain-"))
    try:
        bench = made(folder)
        before = psutil.virtual_memory().available
        begun = time.time()
        samples = watched(bench)
        show(bench, samples, time.time() - begun, before)
    finally:
        shutil.rmtree(folder)


def why_not(folder: Path) -> str:
    """What the machine lacks; empty where it lacks nothing."""
    memory, disk = psutil.virtual_memory().available / GIB, shutil.disk_usage(folder).free / GIB
    if memory < MEMORY_GIB:
        return f"found {memory:.1f} GiB of memory available, expected {MEMORY_GIB:g}"
    if disk < DISK_GIB:
        return f"{folder}: found {disk:.0f} GiB of disk, expected {DISK_GIB:g}"
    return ""


def made(folder: Path) -> Bench:
    """The model in a folder laid out as the hub is; then what `prepare` makes of it."""
    make_xlm_r(folder / "hub" / "FacebookAI" / "xlm-roberta-large")
    (folder / "tiny.yaml").write_text(MANIFEST)
    places = {"XTL_HUB": str(folder / "hub"), "XTL_CACHE": str(folder / "cache")}
    bench = Bench(folder, {**os.environ, **places, "WANDB_MODE": "offline", "COLUMNS": "80"})
    done = bench.run("prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    return bench


def watched(bench: Bench) -> list[Sample]:
    """Sweep, and look at its processes meanwhile."""
    log = bench.folder / "sweep.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            bench.command("sweep"),
            cwd=bench.checkout,
            env=bench.env | {"PYTHONPATH": str(bench.checkout)},
            stdout=said,
            stderr=said,
        )
        samples = []
        while process.poll() is None:
            samples.append(sample(process.pid))
            if samples[-1].available < LEAST_GIB * GIB:
                end(process.pid)
                print(f"ended: less than {LEAST_GIB:g} GiB of memory were left")
            time.sleep(EVERY_S)
    if process.returncode:
        print(log.read_text(), *logs(bench), sep="\n", file=sys.stderr)
    return samples


def sample(pid: int) -> Sample:
    """Of a process and all that descend from it."""
    found = []
    for process in family(pid):
        with suppress(psutil.Error):
            found.append(process.memory_info().rss)
    return Sample(time.time(), tuple(found), psutil.virtual_memory().available)


def family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def end(pid: int) -> None:
    for process in reversed(family(pid)):
        with suppress(psutil.Error):
            process.kill()


def logs(bench: Bench) -> Iterable[str]:
    """The last lines of each rank's."""
    for path in sorted(bench.root.glob("submissions/*/submitit/*.out")):
        yield f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-20:])


def stretches(bench: Bench, samples: list[Sample]) -> list[Stretch]:
    """Each shard's last attempt, in the order of their starts."""
    store = Store(bench.root)
    found = []
    for path in bench.root.glob("shards/*/attempts"):
        attempt = store.attempts(path.parent.name)[-1]
        start = attempt.claim.started
        stop = attempt.end.finished if attempt.end else samples[-1].time
        mine = tuple(each for each in samples if start <= each.time <= stop)
        name = store.read_shard(path.parent.name).name
        found.append((start, Stretch(name, stop - start, mine)))
    return [stretch for _, stretch in sorted(found, key=lambda each: each[0])]


def show(bench: Bench, samples: list[Sample], seconds: float, before: int) -> None:
    title = f"XLM-R Large, 2 ranks, ZeRO 1, bf16; {os.cpu_count()} cores"
    table = Table(title=title, title_justify="left")
    for heading in ("shard", "seconds", "peak GiB"):
        table.add_column(heading, justify="left" if heading == "shard" else "right")
    for each in stretches(bench, samples):
        table.add_row(each.name, f"{each.seconds:.0f}", f"{each.peak_gib:.1f}")
    whole = Stretch("all, from the manifest to the report", seconds, tuple(samples))
    table.add_section()
    table.add_row(whole.name, f"{seconds:.0f}", f"{whole.peak_gib:.1f}")
    Console().print(table)
    worst = max(samples, key=lambda each: sum(each.processes))
    parts = " + ".join(f"{size / GIB:.1f}" for size in sorted(worst.processes)[::-1][:4])
    least = min(each.available for each in samples)
    print(f"largest processes at the peak: {parts} GiB; the machine's memory in use rose by")
    print(f"{(before - least) / GIB:.1f} GiB at most, {least / GIB:.1f} GiB were left")
    for result in bench.results().values():
        if result["training"]:
            spent = sorted(result["training"]["seconds"].items(), key=lambda each: -each[1])
            print(f"{result['name']}, rank 0: " + ", ".join(f"{k} {v:.0f} s" for k, v in spent))


if __name__ == "__main__":
    main()
