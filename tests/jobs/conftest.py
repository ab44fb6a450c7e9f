"""The sweep that the doors' tests start from."""

from __future__ import annotations

import shutil
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
    return make_quick(prepared, tmp_path)


@pytest.fixture(scope="session")
def trivially_swept(prepared: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The sweep of trivial shards, run whole once."""
    bench = make_quick(prepared, tmp_path_factory.mktemp("trivial"))
    bench.sweep()
    return bench


@pytest.fixture
def ended(trivially_swept: Bench, tmp_path: Path) -> Bench:
    """A copy of it, with a checkout of its own."""
    checkout = shutil.copytree(trivially_swept.checkout, tmp_path / "checkout", symlinks=True)
    return replace(trivially_swept.copy(tmp_path / "bench"), checkout=checkout)


def make_quick(prepared: Bench, folder: Path) -> Bench:
    """One rank, and shards that take no time."""
    bench = replace(prepared.copy(folder / "bench"), checkout=make_trivial(folder / "checkout"))
    manifest = bench.folder / "tiny.yaml"
    manifest.write_text(manifest.read_text().replace("ranks: 2", "ranks: 1"))
    return bench
