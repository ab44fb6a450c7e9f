"""SIGKILL of a rank at a random step, then a fresh job: the result is that of no kill at all."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.train import scenes
from tests.train.ranks import run_ranks, start_ranks
from xtl.train.engine import EngineSettings


@dataclass(frozen=True)
class Deaths:
    """The step after which a rank was killed, and how the fresh job's trainings ended."""

    step: int
    ends: dict[str, Any]


def kill_and_resume(root: Path, stage: int, deaths: dict[str, tuple[int, bool]]) -> Deaths:
    """`deaths` says for each training which rank dies, and whether it does so while saving."""
    settings = EngineSettings(2, stage, micro_batch=2, checkpoint_seconds=0)
    step = random.randint(2, 6)
    for name, (rank, saving) in deaths.items():
        ends = start_ranks(2, scenes.training_that_dies, root, name, settings, rank, step, saving)
        assert ends[rank] is None, "a rank was to be killed"
    ends = run_ranks(2, scenes.trainings, root, [*deaths, "whole"], settings)[0]
    return Deaths(step, ends)


@pytest.fixture(scope="module")
def deaths(root: Path) -> Deaths:
    return kill_and_resume(root, 1, {"between": (1, False), "saving": (0, True)})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["between", "saving"])
def test_a_killed_training_ends_as_one_that_was_not(deaths: Deaths, name: str) -> None:
    killed, whole = deaths.ends[name], deaths.ends["whole"]
    assert killed["resumed_from"] == deaths.step - 1
    assert killed["artifact_digest"] == whole["artifact_digest"], f"killed at {deaths.step}"


@pytest.mark.long
@pytest.mark.parametrize("stage", [0, 2, 3])
def test_so_it_is_under_every_stage(root: Path, stage: int) -> None:
    folder = root / f"stage-{stage}"
    folder.mkdir()
    (folder / "model").symlink_to(root / "model")
    deaths = kill_and_resume(folder, stage, {"between": (1, False)})
    killed, whole = deaths.ends["between"], deaths.ends["whole"]
    assert killed["resumed_from"] == deaths.step - 1
    assert killed["artifact_digest"] == whole["artifact_digest"], f"killed at {deaths.step}"
