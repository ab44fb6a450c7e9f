"""A whole real sweep with a tiny encoder: real jobs, real DeepSpeed ranks, the real W&B client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_tiny_encoder

ROOT = Path(__file__).parents[2]

MANIFEST = """
name: tiny
model: {repo: tests/tiny-xlm-r, freeze: [word_embeddings]}
engine: {ranks: 2, zero_stage: 1, precision: fp32, micro_batch: 8}
intermediate:
  - task: lookup-pool
    training: {epochs: 1, batch_size: 16, learning_rate: 1.0e-3}
sizes: [0, 64]
replicates: [1]
targets:
  - task: lookup-qa
    languages: [en, sw]
    training: {epochs: 2, batch_size: 4, learning_rate: 1.0e-3}
retrieval:
  - set: lookup-pairs
    languages: [sw]
keep: all
"""


@dataclass(frozen=True)
class Bench:
    """A manifest, a folder, and the environment in which `xtl` is run as a user would."""

    folder: Path
    env: dict[str, str]

    @property
    def root(self) -> Path:
        return self.folder / "sweep"

    def command(self, verb: str, *options: str) -> list[str]:
        manifest = ["--manifest", str(self.folder / "tiny.yaml")]
        place = ["--root", str(self.root), "--cluster", "local"]
        return [sys.executable, "-m", "jobs.main", verb, *manifest, *place, *options]

    def start(self, verb: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(verb, *options),
            cwd=ROOT,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *options), cwd=ROOT, env=self.env, text=True, capture_output=True
        )

    def sweep(self) -> dict[str, Any]:
        """Run to the end; what `sweep --json` says."""
        done = self.run("sweep", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def shards(self) -> dict[str, dict[str, Any]]:
        """What `status --json` says of each shard, by name."""
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return {shard["name"]: shard for shard in json.loads(done.stdout)["shards"]}

    def results(self) -> dict[str, dict[str, Any]]:
        paths = (self.root / "shards").glob("*/result.json")
        return {path.parent.name: json.loads(path.read_text()) for path in paths}

    def attempts(self) -> int:
        return len(list((self.root / "shards").glob("*/attempts/*/claim.json")))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    make_tiny_encoder(folder / "tests" / "tiny-xlm-r")
    return folder


@pytest.fixture(scope="session")
def prepared(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A manifest whose model and data are in a mirror of its own."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "tiny.yaml").write_text(MANIFEST)
    env = {
        **os.environ,
        "XTL_HUB": str(hub),
        "XTL_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
    }
    env.pop("WANDB_MODE", None)
    bench = Bench(folder, env)
    done = bench.run("prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    return bench


@pytest.fixture(scope="session")
def swept(prepared: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The sweep, run whole once."""
    bench = copy_of(prepared, tmp_path_factory.mktemp("swept"))
    bench.sweep()
    return bench


@pytest.fixture
def fresh(prepared: Bench, tmp_path: Path) -> Bench:
    """Prepared, and nothing run yet."""
    return copy_of(prepared, tmp_path)


@pytest.fixture
def finished(swept: Bench, tmp_path: Path) -> Bench:
    """A copy of the finished sweep, to be damaged."""
    return copy_of(swept, tmp_path)


def copy_of(bench: Bench, folder: Path) -> Bench:
    shutil.copytree(bench.folder, folder, dirs_exist_ok=True, symlinks=True)
    return Bench(folder, bench.env)
