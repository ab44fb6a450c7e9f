"""Exactness where there is a GPU: one rank on it, and two where there are two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train import gpu, scenes
from tests.train.ranks import run_ranks
from tests.train.test_equality import WAYS, differ_by

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: torch.cuda is not available"),
]

EACH_WAY: list[gpu.Way] = [(each, stage) for each in gpu.PRECISIONS for stage in gpu.STAGES]
RANKS = [1, 2] if torch.cuda.device_count() > 1 else [1]
NAMES = ("artifact_digest", "final_loss", "skipped")


@pytest.fixture(scope="module", params=RANKS, ids=lambda ranks: f"{ranks} ranks")
def ranks(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture(scope="module")
def folder(root: Path, ranks: int) -> Path:
    """What another number of ranks left behind is not to be found."""
    made = root / f"{ranks}-ranks"
    made.mkdir()
    (made / "model").symlink_to((root / "model").resolve())
    return made


@pytest.fixture(scope="module")
def exact(folder: Path, ranks: int) -> dict[gpu.Way, dict[str, Any]]:
    found: dict[gpu.Way, dict[str, Any]] = run_ranks(ranks, gpu.lives, folder, True, EACH_WAY)[0]
    return found


def named(way: gpu.Way) -> str:
    return f"{way[0]}, zero {way[1]}"


@pytest.mark.parametrize("way", EACH_WAY, ids=named)
def test_deterministic_trainings_are_equal_bit_for_bit_resumed_or_not(
    exact: dict[gpu.Way, dict[str, Any]], way: gpu.Way
) -> None:
    life = exact[way]
    assert life["resumed"]["resumed_from"] == 5
    for other in ("again", "resumed"):
        assert [life[other][name] for name in NAMES] == [life["whole"][name] for name in NAMES]


@pytest.mark.parametrize("stage", gpu.STAGES)
def test_updates_that_overflow_are_skipped_in_fp16_alone(
    exact: dict[gpu.Way, dict[str, Any]], stage: int
) -> None:
    skipped = {each: exact[each, stage]["whole"]["skipped"] for each in gpu.PRECISIONS}
    assert (skipped["bf16"], skipped["fp32"]) == (0, 0)
    assert 0 < skipped["fp16"] < 9


def test_the_usual_mode_is_equal_to_rounding(
    folder: Path, ranks: int, exact: dict[gpu.Way, dict[str, Any]]
) -> None:
    (folder / "usual").mkdir()
    (folder / "usual" / "model").symlink_to((folder / "model").resolve())
    usual = run_ranks(ranks, gpu.lives, folder / "usual", False, EACH_WAY)[0]
    for way, life in usual.items():
        for name in ("whole", "again", "resumed"):
            wanted = exact[way]["whole"]["final_loss"]
            assert life[name]["final_loss"] == pytest.approx(wanted, rel=0.02), (way, name)


def test_all_families_are_equal_bit_for_bit(folder: Path, ranks: int) -> None:
    seen = run_ranks(ranks, gpu.families, folder)[0]
    assert seen["resumed"]["resumed_from"] == 5
    assert [seen["resumed"][name] for name in NAMES] == [seen["whole"][name] for name in NAMES]


def test_masters_start_as_the_files_weights(folder: Path, ranks: int) -> None:
    found = run_ranks(ranks, gpu.starts, folder)[0]
    assert found == {each: dict.fromkeys(gpu.STAGES, True) for each in gpu.PRECISIONS}


def test_every_stage_gives_what_bare_torch_gives_on_a_cpu(folder: Path, ranks: int) -> None:
    """In fp32, as far as two devices agree."""
    plain = scenes.plain_torch(folder)
    for end in run_ranks(ranks, scenes.engines, folder, ranks, WAYS)[0]["ends"]:
        assert differ_by(end, plain) < 1e-4


def test_a_checkpoint_gives_the_same_scores_each_time(
    folder: Path, ranks: int, exact: dict[gpu.Way, dict[str, Any]]
) -> None:
    artifact = folder / "bf16-1-whole" / "artifact"
    found = run_ranks(ranks, gpu.scores, folder, artifact)[0]
    for once, again in found.values():
        assert once == again
        assert len(once) == 40
