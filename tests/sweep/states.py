"""What DeepSpeed keeps of a model on each rank, counted in the tensors that are alive."""

from __future__ import annotations

import gc
import time
from typing import Any


def live_bytes(layers: int, precision: Any) -> list[tuple[int, int]]:
    """By ZeRO stage, (parameters, bytes alive at the worst point of an update that is not the
    first). ZeRO 3 comes last: it does not let go of what an engine had.

    Matrices are large enough for ZeRO 3 to share them: it keeps smaller ones than 10⁵ whole.
    """
    return [_kept(layers, stage, precision) for stage in range(4)]


def _kept(layers: int, stage: int, precision: Any) -> tuple[int, int]:
    import numpy as np
    import torch.distributed as dist
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from tests.train import half
    from tests.train.trainings import make_spec
    from xtl.data.batches import PaddedBatch
    from xtl.model.encoder import TaskModel
    from xtl.tasks.family import HeadSettings
    from xtl.tasks.span_qa import FAMILY
    from xtl.train.engine import Engine
    from xtl.train.settings import EngineSettings

    config = XLMRobertaConfig(
        vocab_size=50, hidden_size=512, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=2048, max_position_embeddings=20, type_vocab_size=1,
    )  # fmt: skip
    encoder, head = XLMRobertaModel(config, add_pooling_layer=False), HeadSettings(512, 0.0)
    model = TaskModel(encoder, [FAMILY.head(head)], [FAMILY.loss])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    half.allow()
    half.begin_at(half.LOW)  # so that updates are taken
    spec = make_spec(freeze=(), precision=precision)
    engine = Engine(model, spec, EngineSettings(dist.get_world_size(), stage, micro_batch=1))
    one = PaddedBatch(*(np.full((1, width), 1, dtype=np.int64) for width in (8, 8, 2)))
    alive = []
    for _ in range(2):
        for last in (False, True):
            engine.accumulate(one, 1.0, last)
            time.sleep(0.2)  # gloo's threads let go of a buffer a moment after it was reduced
            alive.append(_alive())
        engine.step()
    engine.close()
    return parameters, max(alive[2:])


def _alive() -> int:
    """Bytes of all tensors of this process, of shared storage once."""
    import torch

    gc.collect()
    sizes: dict[int, int] = {}
    for found in gc.get_objects():
        if issubclass(type(found), torch.Tensor):
            gradient = found.grad if found.is_leaf else None
            for tensor in (found, gradient, getattr(found, "grad_accum", None)):
                if tensor is not None:
                    storage = tensor.untyped_storage()
                    sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())
