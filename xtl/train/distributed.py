"""Ranks: joining the process group that DeepSpeed uses, and agreeing on things."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from xtl.errors import ConfigurationError
from xtl.model.device import device
from xtl.sweep.shard import Precision

T = TypeVar("T")

TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others: they may be waiting for rank 0 to write a checkpoint."""


def init_distributed(timeout: timedelta = TIMEOUT) -> None:
    """Join the process group: gloo on a CPU, NCCL on GPUs, a GPU for each rank of a node.

    The caller has set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; LOCAL_RANK becomes
    the device's number, as which DeepSpeed takes it. ConfigurationError where GPUs are too few, or
    two ranks have the same one.
    """
    import deepspeed
    import deepspeed.ops
    import deepspeed.runtime.compiler
    from deepspeed.accelerator import get_accelerator
    from deepspeed.utils import logger

    # Otherwise DeepSpeed looks for compilers, and on a CPU compiles `shm_comm` for 97 s, which
    # inference_all_reduce alone would use. No compiled op of its is used here.
    deepspeed.ops.__compatible_ops__ = {}
    # The Muon optimiser, which is not used, would import torch's compiler for that: 2 to 5 s.
    deepspeed.runtime.compiler.compile = lambda: deepspeed.runtime.compiler.dummy_decorator
    logger.setLevel(logging.ERROR)
    # DeepSpeed calls collectives by names that torch has since replaced, several times an update.
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)
    # The schedule counts updates that fp16 skips, the first one among them.
    warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
    if get_accelerator().device_name() == "cuda":
        index = device().index
        _join_gpus(index, timeout)
        os.environ["LOCAL_RANK"] = str(index)
    deepspeed.init_distributed(
        dist_backend=get_accelerator().communication_backend_name(),
        auto_mpi_discovery=False,
        timeout=timeout,
        verbose=False,
    )


def require_gpus_apart(store: Store, rank: int, ranks: int, gpu: str) -> None:
    """ConfigurationError, on every rank, where two of them have the same `gpu`. Collective, by a
    store alone: NCCL would fail with an error of its own."""
    store.set(str(rank), gpu)
    found = [store.get(str(each)).decode() for each in range(ranks)]
    store.set(f"{rank} has read", "")
    if rank == 0:  # the store is in its process, which may end below
        store.wait([f"{each} has read" for each in range(ranks)])
    for later, own in enumerate(found):
        if (earlier := found.index(own)) != later:
            raise ConfigurationError(
                f"engine.ranks: found ranks {earlier} and {later} on one GPU ({own}), expected a "
                "GPU for each rank"
            )


def _join_gpus(index: int, timeout: timedelta) -> None:
    """Hold the ranks' GPUs against each other before NCCL does. Collective."""
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    if uuid is None or os.environ["WORLD_SIZE"] == "1":
        return
    # The process group's own store, which torch shares with it in this process.
    store, rank, ranks = next(rendezvous("env://", timeout=timeout))
    gpus = PrefixStore("xtl-gpus", store)
    require_gpus_apart(gpus, rank, ranks, f"{uuid} of {socket.gethostname()}")


def compute_deterministically() -> None:
    """The same bits each time on the same GPUs. To be called before anything runs on one.

    What has no such way raises. Attention does: its flash and memory-efficient kernels have a
    backward pass without atomic additions, which torch then takes, and cuDNN's is passed over.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Costs time, and changes nothing: no uninitialised memory is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def require_precision(precision: Precision) -> None:
    """ConfigurationError, on every rank, where the device of any cannot compute in `precision`, or
    only pretends to. Collective."""
    lacking = next((words for words in gathered(_lack(precision)) if words), None)
    if lacking:
        raise ConfigurationError(lacking)


def _lack(precision: Precision) -> str | None:
    """What this rank's device lacks, in a line."""
    from deepspeed.accelerator import get_accelerator

    accelerator = get_accelerator()
    on_gpu = accelerator.device_name() == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else "a CPU"
    found = f"engine.precision: found {precision} on {name}, expected"
    if precision == "fp16" and not accelerator.is_fp16_supported():
        return f"{found} {'fp32' if on_gpu else 'bf16 or fp32'}: it has no fp16"
    if precision == "bf16" and on_gpu and not torch.cuda.is_bf16_supported(False):
        return f"{found} fp16 or fp32: GPUs before Ampere have no bf16"
    return None


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


def _portable(error: Exception) -> Exception:
    """The error itself if other ranks can be sent it, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"rank 0: {error!r}")
    return error
