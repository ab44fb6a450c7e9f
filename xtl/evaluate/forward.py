"""The forward pass over all sequences, shared among ranks, gathered on rank 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from xtl.errors import UserError
from xtl.evaluate.batches import Batch, Sequences, batches, pieces, shares
from xtl.tasks.family import EvaluableFamily

Floats = NDArray[np.float32]

_PIECE = 4  # batches of a rank between two looks at whether any rank was asked to stop


@dataclass(frozen=True)
class Reader:
    """What turns token ids into a family's outputs: an encoder, a head if it needs one."""

    family: EvaluableFamily
    encoder: nn.Module
    head: nn.Module | None
    pad: int
    device: torch.device

    def read(self, sequences: Sequence[tuple[int, ...]]) -> list[Floats]:
        """One array a sequence, cut to its length where the outputs have one entry a token.

        UserError where fp16 was too narrow for the model's numbers.
        """
        ids, mask = padded(sequences, self.pad)
        ids, mask = ids.to(self.device), mask.to(self.device)
        with torch.inference_mode():
            hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            outputs = self.family.outputs(self.head, hidden, mask).cpu().numpy()
        if hidden.dtype == torch.float16 and not np.isfinite(outputs).all():
            raise UserError(
                "engine.precision: found outputs that are not finite in fp16, expected bf16 or fp32"
            )
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


def read_share(
    reader: Reader,
    sequences: Sequences,
    batch_tokens: int,
    progress: Callable[[int, int], None],
    stop_requested: Callable[[], bool],
) -> dict[int, Floats] | None:
    """Outputs of this rank's share, by place; None on every rank once one was asked to stop.

    Collective where torch.distributed is initialised. `progress` counts this rank's sequences.
    """
    made = batches([len(one) for one in sequences], batch_tokens)
    rank, ranks = position()
    given = shares(made, ranks)
    count = max(1, max(map(len, given)) // _PIECE)  # as many on every rank, however short its share
    done, total = 0, sum(len(batch.places) for batch in given[rank])
    outputs: dict[int, Floats] = {}
    for piece in pieces(given[rank], count):
        stopped = asked(stop_requested(), reader.device)
        for batch in piece:
            outputs.update(_read(reader, sequences, batch))
            done += len(batch.places)
            progress(done, total)
        if stopped():
            return None
    return outputs


def asked(flag: bool, where: torch.device) -> Callable[[], bool]:
    """Put a question to all ranks; what is returned tells whether the answer of any is yes.

    Collective. Between question and answer a rank reads a piece, so that it waits for another
    only when that one is a whole piece behind.
    """
    if position()[1] == 1:
        return lambda: flag
    answer = torch.tensor(int(flag), device=where)
    work = dist.all_reduce(answer, op=dist.ReduceOp.MAX, async_op=True)

    def told() -> bool:
        work.wait()
        return bool(answer.item())

    return told


def gathered(outputs: dict[int, Floats], total: int) -> list[Floats] | None:
    """Outputs of all `total` sequences, in order, on rank 0; None on others. Collective."""
    rank, ranks = position()
    if ranks == 1:
        return [outputs[place] for place in range(total)]
    everyone: list[dict[int, Floats]] | None = [{} for _ in range(ranks)] if rank == 0 else None
    dist.gather_object(outputs, everyone, dst=0)
    if everyone is None:
        return None
    whole = {place: one for part in everyone for place, one in part.items()}
    return [whole[place] for place in range(total)]


def position() -> tuple[int, int]:
    """(rank, ranks); (0, 1) outside torch.distributed."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _read(reader: Reader, sequences: Sequences, batch: Batch) -> dict[int, Floats]:
    outputs = reader.read([sequences[place] for place in batch.places])
    return dict(zip(batch.places, outputs, strict=True))
