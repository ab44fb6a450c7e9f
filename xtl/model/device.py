"""Where a rank computes: the GPU of a node that is its own, or the CPU."""

from __future__ import annotations

import os

import torch

from xtl.errors import ConfigurationError


def device() -> torch.device:
    """This rank's GPU where there are any (also made current, which NCCL needs), else the CPU.

    ConfigurationError where a node has more ranks than GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    index = device_index(int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count())
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def device_index(local_rank: int, visible: int) -> int:
    """Which of the GPUs that it sees is a rank's. One that sees a single one has it alone, as where
    Slurm gives each task its own. ConfigurationError where there are fewer of them than ranks."""
    if visible == 1:
        return 0
    if local_rank >= visible:
        raise ConfigurationError(
            f"engine.ranks: found rank {local_rank} of a node (from 0) where {visible} GPUs can be "
            "seen, expected a GPU for each rank of a node"
        )
    return local_rank
