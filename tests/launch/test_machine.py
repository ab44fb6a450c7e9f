"""What this machine has: cores, and GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from xtl.launch import machine as module
from xtl.launch.machine import cores, gpus


@pytest.fixture(autouse=True)
def _no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without GPUs, whatever this one has."""
    monkeypatch.setattr(module, "GPU_FOLDER", tmp_path / "gpus")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    module._gpus_there.cache_clear()
    yield
    module._gpus_there.cache_clear()


def put_gpus(tmp_path: Path, count: int) -> None:
    """As the driver lists them."""
    for number in range(count):
        (tmp_path / "gpus" / f"0000:{number:02}:00.0").mkdir(parents=True)


def put_smi(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "bin" / "nvidia-smi"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && printf '{lines}'\n")
    path.chmod(0o755)


def test_a_machine_without_gpus_has_none() -> None:
    assert gpus() == 0


def test_gpus_are_counted_as_the_driver_lists_them(tmp_path: Path) -> None:
    put_gpus(tmp_path, 4)
    assert gpus() == 4


def test_gpus_are_counted_by_nvidia_smi_where_the_drivers_folder_is_hidden(tmp_path: Path) -> None:
    put_smi(tmp_path, "GPU 0: NVIDIA A (UUID: GPU-1)\\n  MIG 1g.5gb\\nGPU 1: NVIDIA A\\n")
    assert gpus() == 2


def test_a_driver_that_does_not_answer_has_no_gpus(tmp_path: Path) -> None:
    put_smi(tmp_path, "NVIDIA-SMI has failed\\n")
    assert gpus() == 0


@pytest.mark.parametrize(
    ("visible", "count"),
    [("", 0), ("-1", 0), ("2", 1), ("0,3", 2), ("0,-1,1", 1), ("9", 0), ("GPU-8a7f,GPU-11", 2),
     ("MIG-1,MIG-2,MIG-3,MIG-4,MIG-5", 5)],
)  # fmt: skip
def test_only_visible_gpus_count(
    visible: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_gpus(tmp_path, 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == count


def test_there_is_a_core() -> None:
    assert cores() >= 1
