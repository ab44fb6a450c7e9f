"""What every test may use. Nothing here needs the network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.bench import MANIFEST, Bench
from xtl.sweep.lock import Lock, LockedModel, LockedTable, key_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import needs
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.reading import parse_manifest

DEMO = Path(__file__).parents[1] / "jobs" / "manifests" / "demo.yaml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two processes one takes all tests on a Slurm cluster, first and one by one: two clusters
    would be in each other's way. Of the others, those of a file share what they have set up."""
    slurm = Path(__file__).parent / "slurm"
    items.sort(key=lambda item: slurm not in item.path.parents)
    for item in items:
        name = "slurm" if slurm in item.path.parents else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(name))


def lock_for(manifest: Manifest, rows: int = 4096) -> Lock:
    """A lock as `prepare` would write it, with made-up content hashes."""
    tables = {
        key_of(need.ref): LockedTable(
            repo=need.ref.repo,
            revision="content-1",
            config=need.ref.config,
            split=need.ref.split,
            form=need.ref.form,
            part=need.ref.part,
            rows=rows,
            content=f"hash of {key_of(need.ref)}",
            mean_tokens=60.0,
        )
        for need in needs(manifest)
    }
    model = LockedModel(
        repo=manifest.model.repo,
        revision="content-0",
        fingerprint="model",
        layers=12,
        hidden=384,
        parameters=117_500_000,
        embedding_parameters=96_000_000,
    )
    return Lock(model=model, tables=tables)


@pytest.fixture
def demo_text() -> str:
    return DEMO.read_text(encoding="utf-8")


@pytest.fixture
def demo(demo_text: str) -> Manifest:
    return parse_manifest(demo_text, "demo.yaml")


@pytest.fixture
def small_manifest(demo_text: str) -> Manifest:
    """Sizes 0 and 10%, one replicate: five shards and a public model's evaluation."""
    data = yaml.safe_load(demo_text) | {"name": "small", "sizes": [0, "10%"], "replicates": [1]}
    return parse_manifest(yaml.safe_dump(data), "small.yaml")


@pytest.fixture
def plan(small_manifest: Manifest) -> Plan:
    return make_plan(small_manifest, lock_for(small_manifest))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny import make_tiny_encoder

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
    bench = prepared.copy(tmp_path_factory.mktemp("swept"))
    bench.sweep()
    return bench
