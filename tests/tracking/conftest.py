"""Real wandb, offline: every test has clean variables, an empty home and a service of its own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = ("CACHE_DIR", "DATA_DIR", "ARTIFACT_DIR", "SILENT", "ERROR_REPORTING", "SERVICE")


@pytest.fixture(scope="module", autouse=True)
def no_service() -> Iterator[None]:
    """A module's fixtures come before `empty_home`, whose undoing names a service that is gone."""
    os.environ.pop("WANDB_SERVICE", None)
    yield
    os.environ.pop("WANDB_SERVICE", None)


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Takes W&B's variables away, afterwards also those that a test has set."""
    for name in {*os.environ, *(f"WANDB_{name}" for name in OURS)}:
        if name.startswith("WANDB_") or name == "NETRC":
            monkeypatch.setenv(name, "")  # noted, and so undone afterwards
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    yield home
    if "wandb" in sys.modules:
        import wandb

        wandb.teardown()
