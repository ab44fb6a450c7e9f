"""The ranks of a job: who am I, and how do we agree."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from xtl.launch.slurm.inside import rendezvous

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among `world`; `first` is the only one that speaks."""

    rank: int
    world: int

    @property
    def first(self) -> bool:
        return self.rank == 0

    def on_first(self, action: Callable[[], T]) -> T:
        """Run `action` on rank 0; its result, or what it raises, on every rank."""
        from xtl.train.distributed import on_rank_zero

        return on_rank_zero(action)

    def any(self, flag: bool) -> bool:
        """Whether it is set on any rank. Every rank asks."""
        from xtl.train.distributed import agree

        return agree(flag)

    def leave(self) -> None:
        import torch.distributed as dist

        if dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()


def join_ranks(deterministic: bool) -> Ranks:
    """Set the rendezvous variables from the job's environment and join the process group.

    `deterministic`: whatever this process computes gives the same bits each time, on GPUs too.
    """
    import submitit

    job = submitit.JobEnvironment()
    ranks = Ranks(job.global_rank, job.num_tasks)
    os.environ.update(
        RANK=str(ranks.rank), WORLD_SIZE=str(ranks.world), LOCAL_RANK=str(job.local_rank)
    )
    if os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
        os.environ.update(rendezvous(job.hostnames))
    from xtl.train.distributed import compute_deterministically, init_distributed

    if deterministic:
        compute_deterministically()
    init_distributed()
    # DeepSpeed collects garbage dozens of times a training: spare it what the imports left.
    gc.freeze()
    return ranks
