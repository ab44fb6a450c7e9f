"""A whole real sweep with a tiny encoder: real jobs, real DeepSpeed ranks, the real W&B client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

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
    """A manifest, a folder, and the environment in which `xtl` is run as a user would.

    `place` are the options that say where it runs, `checkout` is the code that the user has,
    `packages` are folders of what is installed beside it.
    """

    folder: Path
    env: dict[str, str]
    place: tuple[str, ...] = ("--cluster", "local")
    checkout: Path = ROOT
    packages: tuple[Path, ...] = ()

    @property
    def root(self) -> Path:
        return self.folder / "sweep"

    @property
    def path(self) -> tuple[Path, ...]:
        return (self.checkout, *self.packages)

    def command(self, verb: str, *options: str) -> list[str]:
        manifest = ["--manifest", str(self.folder / "tiny.yaml")]
        where = ["--root", str(self.root), *self.place]
        return [sys.executable, "-m", "jobs.main", verb, *manifest, *where, *options]

    def start(self, verb: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(verb, *options),
            cwd=self.checkout,
            env=self.env | {"PYTHONPATH": os.pathsep.join(map(str, self.path))},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *options),
            cwd=self.checkout,
            env=self.env | {"PYTHONPATH": os.pathsep.join(map(str, self.path))},
            text=True,
            capture_output=True,
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

    def copy(self, folder: Path) -> Bench:
        """The same in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, symlinks=True)
        return replace(self, folder=folder)


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.2)
