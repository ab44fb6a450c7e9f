"""The ranks of a job: who am I, and how do we agree."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among `world`; `first` is the only one that speaks."""

    rank: int
    world: int

    @property
    def first(self) -> bool:
        return self.rank == 0

    def broadcast(self, value: T | None) -> T:
        """Rank 0's value, on every rank."""
        if self.world == 1:
            return value  # type: ignore[return-value]
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]

    def leave(self) -> None:
        import torch.distributed as dist

        if dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()


def join_ranks() -> Ranks:
    """Set the rendezvous variables from the job's environment and join the process group."""
    import submitit

    job = submitit.JobEnvironment()
    ranks = Ranks(job.global_rank, job.num_tasks)
    os.environ.update(
        RANK=str(ranks.rank), WORLD_SIZE=str(ranks.world), LOCAL_RANK=str(job.local_rank)
    )
    from xtl.train.distributed import init_distributed

    init_distributed()
    # DeepSpeed collects garbage dozens of times a training: spare it what the imports left.
    gc.freeze()
    return ranks
