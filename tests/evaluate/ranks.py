"""An evaluation by several ranks, each a process of its own."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from tests.evaluate.runs import Reading, read
from xtl.evaluate.evaluator import EvaluateJob

StopAt = Mapping[int, int]
"""Rank → the count of sequences, read by it, from which on it is asked to stop."""


def evaluate_on_ranks(
    job: EvaluateJob, ranks: int, scratch: Path, stop_at: StopAt | None = None
) -> list[Reading]:
    """How it went on each rank, in the order of ranks; one thread a rank."""
    arguments = (ranks, job, scratch, stop_at or {})
    spawn(_one_rank, args=arguments, nprocs=ranks)  # type: ignore[no-untyped-call]
    return [pickle.loads((scratch / f"rank-{rank}").read_bytes()) for rank in range(ranks)]


def _one_rank(rank: int, ranks: int, job: EvaluateJob, scratch: Path, stop_at: StopAt) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{scratch}/rendezvous", rank=rank, world_size=ranks
    )
    reading = read(job, stop_at.get(rank))
    (scratch / f"rank-{rank}").write_bytes(pickle.dumps(reading))
    dist.destroy_process_group()
