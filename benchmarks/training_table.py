"""The table of what `training_step` timed, and the device that it was timed on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.xlm_r import configuration
from xtl.launch.machine import cores, gpus
from xtl.sweep.memory import GIB

PHASES = ("data", "forward", "backward", "step")


@dataclass(frozen=True)
class Row:
    """Means over updates, of rank 0; `phases` in seconds an update; `memory_gib` the worst rank's.

    `fault` says why there are none.
    """

    zero_stage: int
    micro_batch: int
    seconds: float = 0.0
    tokens: float = 0.0
    tokens_per_s: float = 0.0
    padding_share: float = 0.0
    utilisation: float | None = None
    memory_gib: float = 0.0
    phases: dict[str, float] | None = None
    fault: str = ""


def summary(updates: list[dict[str, Any]]) -> dict[str, Any]:
    """A row's figures."""
    seconds = fmean(each["seconds"] for each in updates)
    tokens = fmean(each["useful_tokens"] for each in updates)
    least = [each["least_seconds"] for each in updates]
    return {
        "seconds": seconds,
        "tokens": tokens,
        "tokens_per_s": tokens / seconds,
        "padding_share": 1 - tokens / fmean(each["slots"] for each in updates),
        "utilisation": None if None in least else fmean(least) / seconds,
        "memory_gib": max(each["memory_bytes"] for each in updates) / GIB,
        "phases": {
            name: fmean(each["phases"].get(name, 0.0) for each in updates) for name in PHASES
        },
    }


def device() -> str:
    """Its name, as far as the machine tells it."""
    if gpus():
        import torch

        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{next(iter(named), 'CPU')}, {cores()} cores"


def show(asked: argparse.Namespace, rows: Sequence[Row]) -> None:
    ranks = "1 rank" if asked.ranks == 1 else f"{asked.ranks} ranks"
    tokens = max((row.tokens for row in rows), default=0)
    print(f"XLM-R {asked.model}, {size(asked.model)}, {asked.precision}; {ranks}; {device()}")
    print(f"{asked.updates} updates of {asked.batch} questions, about {tokens:,.0f} tokens each")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("ZeRO", "batch", "s", *PHASES, "tok/s", "pad", "util.", "GiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    faults = []
    for row in rows:
        table.add_row(str(row.zero_stage), str(row.micro_batch), *cells(row))
        if row.fault:
            faults.append(f"ZeRO {row.zero_stage}, micro-batch {row.micro_batch}: {row.fault}")
    Console(width=80).print(table)
    print(*faults, sep="\n", end="\n" if faults else "")


def cells(row: Row) -> Iterator[str]:
    if row.phases is None:
        return
    for seconds in (row.seconds, *(row.phases[name] for name in PHASES)):
        yield f"{seconds:.3f}" if seconds < 10 else f"{seconds:.1f}"
    yield f"{row.tokens_per_s:,.0f}"
    yield f"{row.padding_share:.0%}"
    yield "–" if row.utilisation is None else f"{row.utilisation:.1%}"
    yield f"{row.memory_gib:.1f}"


def size(model: str) -> str:
    config = configuration(model)
    return f"{config.num_hidden_layers} layers of {config.hidden_size}"
