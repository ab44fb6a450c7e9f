"""Where everything about a sweep is, in its folder."""

from __future__ import annotations

import os
from pathlib import Path


class Places:
    """Paths below `root`, whether anything is there or not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shards: dict[str, Path] = {}  # a look at a large sweep asks for each several times

    @property
    def manifest_path(self) -> Path:
        return self.root / "manifest.yaml"

    @property
    def lock_path(self) -> Path:
        return self.root / "lock.json"

    @property
    def profile_path(self) -> Path:
        return self.root / "profile.yaml"

    @property
    def cluster_path(self) -> Path:
        return self.root / "cluster.json"

    @property
    def table_path(self) -> Path:
        return self.root / "table.parquet"

    @property
    def report_path(self) -> Path:
        return self.root / "report" / "index.html"

    def relative(self, path: Path) -> str:
        """`path` as records keep it: relative to the sweep's folder."""
        return os.path.relpath(path.resolve(), self.root.resolve())

    def shard(self, shard: str) -> Path:
        found = self._shards.get(shard)
        if found is None:
            found = self._shards[shard] = self.root / "shards" / shard
        return found

    def checkpoints(self, shard: str) -> Path:
        return self.shard(shard) / "checkpoints"

    def artifact(self, shard: str) -> Path:
        return self.shard(shard) / "artifact"

    def digest_path(self, shard: str) -> Path:
        return self.shard(shard) / "artifact/DIGEST.json"

    def pardon_path(self, shard: str) -> Path:
        return self.shard(shard) / "pardon.json"

    def result_path(self, shard: str) -> Path:
        return self.shard(shard) / "result.json"

    def predictions_path(self, shard: str) -> Path:
        return self.shard(shard) / "predictions.parquet"

    def attempt_folder(self, shard: str, attempt: int) -> Path:
        return self.shard(shard) / f"attempts/{attempt:04}"
