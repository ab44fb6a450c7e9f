"""fp16: gradients that overflow are skipped and counted, and all else is as in other precisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deepspeed.accelerator.cpu_accelerator import CPU_Accelerator
from torch import Tensor

from tests.train import half, scenes
from tests.train.ranks import run_ranks
from tests.train.test_equality import differ_by

pytestmark = pytest.mark.slow

ROUNDING = 1e-4
"""Weights move by some 2e-3 in this training."""


@dataclass(frozen=True)
class Seen:
    """What rank 0 saw of `half.everything`, the ZeRO stages, and bare torch's weights in fp32."""

    stages: tuple[int, ...]
    rank_0: dict[str, Any]
    plain: dict[str, Tensor]


@pytest.fixture(
    scope="module",
    params=[(0, 1), pytest.param((2, 3), marks=pytest.mark.long)],
    ids=lambda stages: f"zero {stages[0]} and {stages[1]}",
)
def seen(request: pytest.FixtureRequest, root: Path) -> Seen:
    folder = root / f"from-{request.param[0]}"
    folder.mkdir()
    (folder / "model").symlink_to((root / "model").resolve())
    first, second = run_ranks(2, half.everything, folder, request.param)
    for stage, life in first["lives"].items():
        assert second["lives"][stage]["whole"]["skipped"] == life["whole"]["skipped"]
    return Seen(request.param, first, scenes.plain_torch(folder))


def test_a_device_without_fp16_is_told_before_anything_is_trained(seen: Seen) -> None:
    """On a machine whose CPU or GPU has it, there is nothing to be told."""
    told = "engine.precision: found fp16 on a CPU, expected bf16 or fp32: it has no fp16"
    assert seen.rank_0["refused"] == ("nothing" if CPU_Accelerator().is_fp16_supported() else told)


def test_masters_start_as_the_files_weights(seen: Seen) -> None:
    assert seen.rank_0["starts"] == dict.fromkeys(seen.stages, True)


def test_weights_end_as_those_of_bare_torch_to_rounding(seen: Seen) -> None:
    """Also where micro-batches are added up: the gradients' size is that of fp32."""
    for end in seen.rank_0["ends"].values():
        assert differ_by(end["masters"], seen.plain) < ROUNDING
        assert end["norms"] == pytest.approx(
            seen.rank_0["ends"][seen.stages[0], 8]["norms"], rel=0.01
        )
        assert 1 < max(end["norms"]) < 10  # not times the loss scale


def test_the_scale_rises_between_updates_and_changes_none(seen: Seen) -> None:
    for way, end in seen.rank_0["risen"].items():
        steady = seen.rank_0["ends"][way]
        assert (steady["scale"], end["scale"]) == (2**half.LOW, 2 ** (half.LOW + 3))
        assert differ_by(end["masters"], steady["masters"]) < ROUNDING / 3
        assert end["norms"] == pytest.approx(steady["norms"], rel=0.01)


def test_updates_that_overflow_are_skipped_and_counted(seen: Seen) -> None:
    for life in seen.rank_0["lives"].values():
        whole = life["whole"]
        told = ["train/grad_norm" in values for values in whole["values"]]
        assert whole["updates"] == len(told) == 9
        assert 2 < whole["skipped"] == told.count(False) < 9
        assert told[:2] == [False, False]  # the scale begins too high
        assert whole["values"][-1]["train/skipped"] == whole["skipped"]


def test_the_schedule_goes_on_with_every_update(seen: Seen) -> None:
    for life in seen.rank_0["lives"].values():
        rates = [values["train/lr"] for values in life["whole"]["values"]]
        assert rates == pytest.approx([0, *(0.002 * k / 8 for k in range(8, 0, -1))])


def test_stopped_among_skipped_updates_and_resumed_equals_uninterrupted(seen: Seen) -> None:
    """So the scale is in the checkpoint, and the count of what was skipped."""
    for life in seen.rank_0["lives"].values():
        whole, resumed = life["whole"], life["resumed"]
        assert (life["stopped"]["updates"], life["stopped"]["skipped"]) == (2, 2)
        assert resumed["resumed_from"] == 2
        for name in ("artifact_digest", "skipped", "final_loss"):
            assert resumed[name] == whole[name]


def test_an_overflow_at_the_least_scale_is_divergence(seen: Seen) -> None:
    for found in seen.rank_0["exhausted"].values():
        # From 4 it can be halved twice.
        assert found["said"][:2] == [(None, True)] * 2
        assert found["said"][2] == "update 3: the gradient's norm is inf"
        assert found["skipped"] == 2
        assert found["kept"]
