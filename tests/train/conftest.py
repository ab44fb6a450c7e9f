"""A model folder for trainings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.trainings import make_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny XLM-R laid out as the mirror's; to be read, not written to."""
    folder = tmp_path_factory.mktemp("mirror") / "model"
    make_model(folder)
    return folder
