"""A model folder for trainings, and one life of a training that several modules look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.train import scenes
from tests.train.ranks import run_ranks
from tests.train.trainings import make_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny XLM-R laid out as the mirror's; to be read, not written to."""
    folder = tmp_path_factory.mktemp("mirror") / "model"
    make_model(folder)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Where a module's trainings lie; `model` is what they start from."""
    root = tmp_path_factory.mktemp("sweep")
    (root / "model").symlink_to(model_folder)
    return root


@pytest.fixture(scope="module")
def lives(root: Path) -> list[dict[str, Any]]:
    """What each of two ranks saw of `scenes.life_of_a_training`."""
    return run_ranks(2, scenes.life_of_a_training, root)


@pytest.fixture(scope="module")
def life(lives: list[dict[str, Any]]) -> dict[str, Any]:
    """What rank 0 saw."""
    return lives[0]
