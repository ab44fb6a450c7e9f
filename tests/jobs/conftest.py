"""The sweep that the doors' tests start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import Bench
from tests.slurm.checkouts import make_trivial


@pytest.fixture
def fresh(prepared: Bench, tmp_path: Path) -> Bench:
    """Prepared, and nothing run yet."""
    return prepared.copy(tmp_path)


@pytest.fixture
def finished(swept: Bench, tmp_path: Path) -> Bench:
    """A copy of the finished sweep, to be damaged."""
    return swept.copy(tmp_path)


@pytest.fixture
def trivial(prepared: Bench, tmp_path: Path) -> Bench:
    """Prepared, and nothing run yet, in a checkout whose shards take no time."""
    checkout = make_trivial(tmp_path / "checkout")
    bench = replace(prepared.copy(tmp_path / "bench"), checkout=checkout)
    manifest = bench.folder / "tiny.yaml"
    manifest.write_text(manifest.read_text().replace("ranks: 2", "ranks: 1"))
    return bench
