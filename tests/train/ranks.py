"""Real ranks: processes with gloo between them, each running the same scene."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any

Scene = Callable[..., Any]

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
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in range(ranks)]
    port = _free_port()
    processes = [
        context.Process(target=_rank, args=(rank, ranks, port, sender, scene, arguments))
        for rank, (_, sender) in enumerate(pipes)
    ]
    for process, (_, sender) in zip(processes, pipes, strict=True):
        process.start()
        sender.close()
    try:
        return [_received(receiver) for receiver, _ in pipes]
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()


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
