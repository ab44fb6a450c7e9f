"""A GPU for each rank of a node; and a device that is asked for what it has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.distributed import HashStore  # type: ignore[attr-defined]

from tests.train import scenes
from xtl.errors import ConfigurationError
from xtl.model.device import device_index
from xtl.train.distributed import compute_deterministically, require_gpus_apart


@pytest.mark.parametrize(
    ("local_rank", "visible", "index"),
    [(0, 1, 0), (0, 4, 0), (3, 4, 3), (1, 8, 1), (3, 1, 0), (7, 1, 0)],
)
def test_a_rank_has_the_gpu_of_its_number_or_the_only_one_that_it_sees(
    local_rank: int, visible: int, index: int
) -> None:
    assert device_index(local_rank, visible) == index


@pytest.mark.parametrize(("local_rank", "visible"), [(2, 2), (5, 4)])
def test_more_ranks_than_gpus_are_refused(local_rank: int, visible: int) -> None:
    said = rf"found rank {local_rank} of a node \(from 0\) where {visible} GPUs can be seen"
    with pytest.raises(ConfigurationError, match=said):
        device_index(local_rank, visible)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What deterministic mode changes is put back."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "to be restored")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = False


@pytest.mark.slow
@pytest.mark.usefixtures("settings")
def test_on_a_cpu_deterministic_mode_changes_no_bit(root: Path) -> None:
    usual = scenes.plain_torch(root)
    compute_deterministically()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    again = scenes.plain_torch(root)
    assert usual.keys() == again.keys()
    assert all(torch.equal(usual[name], again[name]) for name in usual)


@pytest.mark.usefixtures("settings")
def test_a_users_own_workspace_for_cublas_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    compute_deterministically()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_two_ranks_that_see_one_gpu_are_told_so() -> None:
    store = HashStore()
    for rank, gpu in enumerate(["a of n1", "b of n1", "a of n1"]):
        store.set(str(rank), gpu)
    with pytest.raises(ConfigurationError, match=r"found ranks 0 and 2 on one GPU \(a of n1\)"):
        require_gpus_apart(store, 1, 3, "b of n1")


def test_ranks_with_a_gpu_each_go_on() -> None:
    store = HashStore()
    store.set("0", "a of n1")
    require_gpus_apart(store, 1, 2, "b of n1")
