"""An evaluation by several ranks, each a process of its own."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from xtl.evaluate.evaluator import EvaluateJob, EvaluateOutcome, evaluate


def evaluate_on_ranks(job: EvaluateJob, ranks: int, scratch: Path) -> list[EvaluateOutcome]:
    """Each rank's outcome, in the order of ranks; one thread a rank."""
    spawn(_one_rank, args=(ranks, job, scratch), nprocs=ranks)  # type: ignore[no-untyped-call]
    return [pickle.loads((scratch / f"rank-{rank}").read_bytes()) for rank in range(ranks)]


def _one_rank(rank: int, ranks: int, job: EvaluateJob, scratch: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{scratch}/rendezvous", rank=rank, world_size=ranks
    )
    outcome = evaluate(job, lambda done, total: None)
    (scratch / f"rank-{rank}").write_bytes(pickle.dumps(outcome))
    dist.destroy_process_group()
