"""The forward pass over all sequences, shared among ranks, gathered on rank 0."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from xtl.evaluate.batches import Batch, Sequences, batches, shares
from xtl.tasks.family import EvaluableFamily

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reader:
    """What turns token ids into a family's outputs: an encoder, a head if it needs one."""

    family: EvaluableFamily
    encoder: nn.Module
    head: nn.Module | None
    pad: int
    device: torch.device

    def read(self, sequences: Sequence[tuple[int, ...]]) -> list[Floats]:
        """One array a sequence, cut to its length where the outputs have one entry a token."""
        ids, mask = padded(sequences, self.pad)
        ids, mask = ids.to(self.device), mask.to(self.device)
        with torch.inference_mode():
            hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            outputs = self.family.outputs(self.head, hidden, mask).cpu().numpy()
        if outputs.ndim < 3:
            return list(outputs)
        return [row[: len(one)] for row, one in zip(outputs, sequences, strict=True)]


def padded(sequences: Sequence[tuple[int, ...]], pad: int) -> tuple[Tensor, Tensor]:
    """(ids, mask), each (batch, longest), padded on the right."""
    longest = max(len(one) for one in sequences)
    ids = np.full((len(sequences), longest), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, one in enumerate(sequences):
        ids[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def run(
    reader: Reader,
    sequences: Sequences,
    batch_tokens: int,
    progress: Callable[[int, int], None],
) -> list[Floats] | None:
    """Outputs of every sequence, in order, on rank 0; None on the other ranks.

    Collective where torch.distributed is initialised. `progress` counts this rank's sequences.
    """
    made = batches([len(one) for one in sequences], batch_tokens)
    rank, ranks = position()
    mine = shares(made, ranks)[rank]
    return _gathered(_outputs(reader, sequences, mine, progress), len(sequences))


def position() -> tuple[int, int]:
    """(rank, ranks); (0, 1) outside torch.distributed."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def device() -> torch.device:
    """This rank's GPU where there are any (also made current, which NCCL needs), else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    index = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def _outputs(
    reader: Reader,
    sequences: Sequences,
    mine: Sequence[Batch],
    progress: Callable[[int, int], None],
) -> dict[int, Floats]:
    done, total = 0, sum(len(batch.places) for batch in mine)
    outputs: dict[int, Floats] = {}
    for batch in mine:
        read = reader.read([sequences[place] for place in batch.places])
        outputs.update(zip(batch.places, read, strict=True))
        done += len(batch.places)
        progress(done, total)
    return outputs


def _gathered(outputs: dict[int, Floats], total: int) -> list[Floats] | None:
    rank, ranks = position()
    if ranks == 1:
        return [outputs[place] for place in range(total)]
    everyone: list[dict[int, Floats]] | None = [{} for _ in range(ranks)] if rank == 0 else None
    dist.gather_object(outputs, everyone, dst=0)
    if everyone is None:
        return None
    whole = {place: one for part in everyone for place, one in part.items()}
    return [whole[place] for place in range(total)]
