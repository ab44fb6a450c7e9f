"""Sweeps on a testbed: a bench that submits there, and what the cluster says of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import yaml

from slurm.testbed import Testbed
from tests.bench import Bench
from xtl.launch.profile import PROFILES

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

_BEGINS = re.compile(r"(\w+): attempt (\d+) begins on ")


def on(testbed: Testbed, bench: Bench, **changes: Any) -> Bench:
    """The bench, submitting to the testbed by a profile of its own."""
    path = bench.folder / "profile.yaml"
    profile = PROFILE | {"slurm_conf": str(testbed.conf)} | changes
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")
    return replace(bench, place=("--cluster", "slurm", "--profile", str(path)))


def here(bench: Bench, **changes: Any) -> Bench:
    """The bench on this machine, by a profile of its own."""
    path = bench.folder / "profile.yaml"
    usual = yaml.safe_load((PROFILES / "local.yaml").read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(usual | changes), encoding="utf-8")
    return replace(bench, place=("--cluster", "local", "--profile", str(path)))


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


def sizes(bench: Bench) -> list[int]:
    """How many jobs each array has that this sweep has submitted."""
    batches = [path.with_name("batch.json") for path in scripts(bench)]
    return [len(json.loads(path.read_text(encoding="utf-8"))["submissions"]) for path in batches]


def memory_asked(bench: Bench) -> list[int]:
    """Host memory a node that each array asked for, in MiB, oldest first."""
    texts = (path.read_text(encoding="utf-8") for path in scripts(bench))
    return [int(found) for text in texts for found in re.findall(r"--mem=(\d+)M", text)]


def ranks_of(root: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The ranks of a sweep's jobs that are alive, wherever they run, each with its number."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if "xtl.launch.task" not in words or "python" not in words[0]:
                continue
            if str(root.resolve()) in words:
                variables = process.environ()
                number = variables.get("SUBMITIT_LOCAL_GLOBALID") or variables["SLURM_PROCID"]
                yield int(number), process
        except (psutil.Error, OSError, KeyError):
            continue


def ended_well(bench: Bench) -> Counter[str]:
    """How many attempts at each shard came to a result."""
    ends = (bench.root / "shards").glob("*/attempts/*/end.json")
    told = ((path.parts[-4], json.loads(path.read_text(encoding="utf-8"))) for path in ends)
    return Counter(shard for shard, end in told if end["status"] == "done")


def begun_twice(bench: Bench) -> list[tuple[str, int]]:
    """Attempts that two jobs have begun, as rank 0 of each says: they share a claim and an end."""
    logs = [
        *(bench.root / "batches").glob("*/logs/*_0_log.err"),
        *(bench.root / "submissions").glob("*/submitit/*_0_log.err"),
    ]
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in logs)
    found = Counter(_BEGINS.findall("\n".join(texts)))
    assert found, "it is not told any more"
    return [(shard, int(attempt)) for (shard, attempt), times in found.items() if times > 1]


def outcomes(bench: Bench) -> dict[str, str]:
    """What of each result, and of what it names on the disk, may never differ, by shard."""
    return {
        shard: json.dumps([*_bits(result), _on_disk(bench.root / "shards" / shard)])
        for shard, result in bench.results().items()
    }


def _on_disk(shard: Path) -> dict[str, str]:
    paths = [shard / "predictions.parquet", *sorted((shard / "artifact").rglob("*"))]
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()
    }


def _bits(result: dict[str, Any]) -> list[Any]:
    training, predictions = result["training"] or {}, result["predictions"] or {}
    return [
        result["parents"],
        (result["artifact"] or {}).get("digest"),
        result["metrics"],
        predictions.get("sha256"),
        training.get("final_loss"),
        training.get("updates"),
    ]
