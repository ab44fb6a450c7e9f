"""Real ranks: processes with gloo between them, each running the same scene.

They are forked from a server that has imported what they need, in a tenth of a second each; where
there is a GPU, which no forked process can use once its parent looked for one, they are spawned.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

Scene = Callable[..., Any]

PRELOADED = (
    "deepspeed",
    "deepspeed.module_inject.auto_ep_layer",
    "deepspeed.runtime.zero.muon.muon_optimizer",
    "transformers.models.xlm_roberta.modeling_xlm_roberta",
    "tests.train.mixed",
    "xtl.tasks.masked_lm",
    "xtl.tasks.multiple_choice",
    "xtl.tasks.sentence_pair",
    "xtl.tasks.span_qa",
    "xtl.tasks.tagging",
)
"""What every rank would import; a name that is gone makes ranks slower, and nothing else."""

_SECONDS = 240


class RankFailed(Exception):  # noqa: N818 - what happened, in a test
    """A rank raised; its traceback."""


def run_ranks(ranks: int, scene: Scene, *arguments: Any) -> list[Any]:
    """`scene(*arguments)` on each rank of a fresh process group; what each returned.

    The scene and what it takes and returns must be importable and picklable.
    Raises RankFailed with the traceback of a rank that raised.
    """
    results = start_ranks(ranks, scene, *arguments)
    failures = [result for result in results if isinstance(result, str)]
    if failures:
        raise RankFailed("\n".join(failures))
    return [result[0] for result in results]


def start_ranks(ranks: int, scene: Scene, *arguments: Any) -> list[Any]:
    """As `run_ranks`, but tells each rank's end: (result,), a traceback, or None if killed."""
    context = _context()
    pipes = [context.Pipe(duplex=False) for _ in range(ranks)]
    port = _free_port()
    processes = [
        context.Process(target=_rank, args=(rank, ranks, port, sender, scene, arguments))
        for rank, (_, sender) in enumerate(pipes)
    ]
    for process, (_, sender) in zip(processes, pipes, strict=True):
        process.start()
        sender.close()
    ends: list[Any] = []
    try:
        ends = [_received(receiver) for receiver, _ in pipes]
        return ends
    finally:
        all_is_well = all(isinstance(end, tuple) for end in ends)
        for process in processes:
            if all_is_well:
                process.join(timeout=10)  # else it may wait for one that is gone
            process.kill()
            process.join()


@cache
def _context() -> Any:
    if any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd")):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    with mock.patch.dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):
        forkserver.ensure_running()  # without threads, which forked processes would lack
    return context


def _received(receiver: Any) -> Any:
    try:
        return pickle.loads(receiver.recv()) if receiver.poll(_SECONDS) else "timed out"
    except EOFError:
        return None


def _rank(
    rank: int, ranks: int, port: int, sender: Any, scene: Scene, arguments: tuple[Any, ...]
) -> None:
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(ranks), LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    gc.freeze()  # DeepSpeed collects garbage several times a training, among all that is imported
    try:
        result: Any = (_play(scene, arguments),)
    except Exception:
        result = f"rank {rank}: {traceback.format_exc()}"
    sender.send(pickle.dumps(result))


def _play(scene: Scene, arguments: tuple[Any, ...]) -> Any:
    import torch
    import torch.distributed as dist

    from xtl.train.distributed import init_distributed

    torch.set_num_threads(1)
    init_distributed()
    result = scene(*arguments)
    dist.destroy_process_group()
    return result


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
