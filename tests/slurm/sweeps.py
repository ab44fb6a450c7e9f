"""Sweeps on a testbed: a bench that submits there, and what the cluster says of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from slurm.testbed import Testbed
from tests.bench import Bench

PROFILE: dict[str, Any] = {
    "cluster": "slurm",
    "partition": "main",
    "ranks_per_node": 1,
    "cpus_per_rank": 1,
    "memory_per_rank_gib": 1.5,
    "time": {"intermediate": 10, "target": 10, "evaluate": 10},
    "signal_seconds": 15,
    "poll_seconds": 1,
    "device_tflops": 0.17,
    "start_seconds": 15,
}


def on(testbed: Testbed, bench: Bench, **changes: Any) -> Bench:
    """The bench, submitting to the testbed by a profile of its own."""
    path = bench.folder / "profile.yaml"
    profile = PROFILE | {"slurm_conf": str(testbed.conf)} | changes
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")
    return replace(bench, place=("--cluster", "slurm", "--profile", str(path)))


def edit_manifest(bench: Bench, **changes: Any) -> None:
    """Other values for keys of the manifest; a mapping is merged one level deep."""
    path = bench.folder / "tiny.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        data[key] = data[key] | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(data), encoding="utf-8")


def claims(bench: Bench) -> Counter[str]:
    """How often each shard was begun."""
    paths = (bench.root / "shards").glob("*/attempts/*/claim.json")
    return Counter(path.parts[-4] for path in paths)


def jobs(bench: Bench) -> list[str]:
    """The ids of the arrays that this sweep has submitted."""
    paths = sorted((bench.root / "batches").glob("*/job.json"))
    return [json.loads(path.read_text(encoding="utf-8"))["id"] for path in paths]


def artifacts(bench: Bench) -> dict[str, str]:
    """What each training handed over, by shard."""
    found = bench.results().items()
    return {shard: result["artifact"]["digest"] for shard, result in found if result["artifact"]}


def scores(bench: Bench) -> dict[str, Any]:
    return {shard: result["metrics"] for shard, result in bench.results().items()}


def scripts(bench: Bench) -> list[Path]:
    return sorted((bench.root / "batches").glob("*/script.sh"))
