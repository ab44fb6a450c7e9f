"""`xtl clean` on a finished sweep: what a crash left goes, and no result does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.bench import Bench

pytestmark = pytest.mark.slow


def of_stage(bench: Bench, stage: str) -> Path:
    found = next(key for key, each in bench.results().items() if each["stage"] == stage)
    return bench.root / "shards" / found


def left_behind(bench: Bench) -> list[Path]:
    """What crashes leave in several places; their paths."""
    training = of_stage(bench, "intermediate")
    made = [
        training / "checkpoints" / "step-000001" / "state.pt",
        training / ".released-77" / "model.safetensors",
        training / "false-starts" / "x.json",
        training / ".result.json.abcd1234",
        bench.root / "mirror" / ".tokens" / "ab" / "abcd" / "arrays.bin",
    ]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0" * 1000)
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    return made


def kept(bench: Bench) -> dict[str, bytes]:
    """Everything that must stay, byte for byte."""
    names = ("result.json", "predictions.parquet", "claim.json", "lock.json", "manifest.yaml")
    paths = [path for name in names for path in bench.root.rglob(name)]
    paths += (bench.root / "wandb").rglob("*.wandb")
    return {str(path.relative_to(bench.root)): path.read_bytes() for path in paths}


def test_leftovers_go_after_a_preview_and_results_stay(finished: Bench) -> None:
    made, before = left_behind(finished), kept(finished)
    preview = finished.run("clean", "--dry-run")
    assert preview.returncode == 0, preview.stderr
    assert max(map(len, preview.stdout.splitlines())) <= 80, preview.stdout
    assert "resume state of a shard that is done" in " ".join(preview.stdout.split())
    refused = finished.run("clean")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert all(path.exists() for path in made)
    said = json.loads(finished.run("clean", "--yes", "--json").stdout)
    assert said["bytes"] >= 5000
    assert not any(path.exists() for path in made)
    assert kept(finished) == before
    assert {shard["state"] for shard in finished.shards().values()} == {"done"}
    assert finished.sweep() == {"submitted": 0, "states": {"done": 9}}
    assert "nothing to clean" in finished.run("clean").stdout


def test_keep_says_which_models_go(finished: Bench) -> None:
    artifacts = list((finished.root / "shards").glob("*/artifact"))
    assert artifacts
    finished.run("clean", "--yes")
    assert list((finished.root / "shards").glob("*/artifact")) == artifacts, "keep: all"
    manifest = finished.folder / "tiny.yaml"
    manifest.write_text(manifest.read_text().replace("keep: all", "keep: nothing"))
    said = json.loads(finished.run("clean", "--yes", "--json").stdout)
    assert {entry["kind"] for entry in said["clean"]} == {"artifacts"}
    assert not list((finished.root / "shards").glob("*/artifact"))
    assert {shard["state"] for shard in finished.shards().values()} == {"done"}


def test_an_open_submission_keeps_what_is_its_shards(finished: Bench) -> None:
    left_behind(finished)
    training = of_stage(finished, "intermediate")
    path = next((finished.root / "submissions").glob("*/closed"))
    submission = json.loads((path.parent / "submission.json").read_text())
    job = json.loads((path.parent / "job.json").read_text())
    submission["shards"] = [[training.name, 1]]
    (path.parent / "submission.json").write_text(json.dumps(submission))
    (path.parent / "job.json").write_text(json.dumps(job | {"host": "elsewhere"}))
    path.unlink()
    finished.run("clean", "--yes")
    assert (training / "checkpoints").exists()
    assert (training / ".released-77").exists()
    assert not list((training / "false-starts").glob(".gone*"))


def test_a_kind_that_there_is_not_is_answered_with_those_there_are(prepared: Bench) -> None:
    done = prepared.run("clean", "--keep", "moon")
    assert done.returncode == 2
    assert done.stderr.startswith("xtl: --keep: found 'moon', expected one of checkpoints, ")
