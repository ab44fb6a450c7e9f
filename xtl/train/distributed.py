"""Ranks: joining the process group that DeepSpeed uses, and agreeing on things."""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")

TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others: they may be waiting for rank 0 to write a checkpoint."""


def init_distributed(timeout: timedelta = TIMEOUT) -> None:
    """Join the process group: gloo on a CPU, NCCL on GPUs.

    The caller has set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
    """
    import deepspeed
    import deepspeed.ops
    from deepspeed.accelerator import get_accelerator
    from deepspeed.utils import logger

    # Otherwise DeepSpeed looks for compilers, and on a CPU compiles `shm_comm` for 97 s, which
    # inference_all_reduce alone would use. No compiled op of its is used here.
    deepspeed.ops.__compatible_ops__ = {}
    logger.setLevel(logging.ERROR)
    # DeepSpeed calls collectives by names that torch has since replaced, several times an update.
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)
    get_accelerator().set_device(int(os.environ["LOCAL_RANK"]))
    deepspeed.init_distributed(
        dist_backend=get_accelerator().communication_backend_name(),
        auto_mpi_discovery=False,
        timeout=timeout,
        verbose=False,
    )


def agree(flag: bool) -> bool:
    """True on every rank if it is on any. Collective."""
    return totals([float(flag)])[0] > 0


def totals(values: Sequence[float]) -> list[float]:
    """Each value summed over the ranks, in float64. Collective."""
    total = torch.tensor(values, dtype=torch.float64, device=device())
    dist.all_reduce(total)
    return [float(value) for value in total.tolist()]


def gathered(value: T) -> list[T]:
    """Every rank's value, on every rank. Collective."""
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def on_rank_zero(action: Callable[[], T]) -> T:
    """Run `action` on rank 0; its result, or its exception, on every rank. Collective."""
    outcome: list[Any] = [None, None]
    if dist.get_rank() == 0:
        try:
            outcome[0] = action()
        except Exception as error:
            outcome[1] = _portable(error)
    dist.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


def device() -> torch.device:
    """Where this rank computes."""
    from deepspeed.accelerator import get_accelerator

    return torch.device(get_accelerator().current_device_name())


def _portable(error: Exception) -> Exception:
    """The error itself if other ranks can be sent it, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"rank 0: {error!r}")
    return error
