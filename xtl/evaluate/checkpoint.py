"""A checkpoint made ready to be read: the encoder up to the layer that is read, and the head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from xtl.errors import UserError
from xtl.model import encoder as encoders
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.families import trainable_family
from xtl.tasks.family import EvaluableFamily

if TYPE_CHECKING:
    from transformers import XLMRobertaModel

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load_encoder(folder: Path, family: EvaluableFamily, spec: EvaluateSpec) -> XLMRobertaModel:
    """In the spec's precision and evaluation mode, without the layers above the one that is read.

    The outputs are then `last_hidden_state`, and no time goes into what nobody reads.
    """
    encoder = encoders.load_encoder(folder, dropout=0.0)
    layers = encoder.encoder.layer
    encoder.encoder.layer = layers[: family.layer(len(layers), spec.decoding)]
    nn.Module.to(encoder, _DTYPES[spec.precision])
    encoder.train(False)
    return encoder


def load_head(folder: Path, spec: EvaluateSpec, task: str | None, hidden_size: int) -> nn.Module:
    """The head that the checkpoint has of `task`, in float32: in bf16 close scores would tie.

    Raises UserError where no task is named, or the checkpoint has no head of it.
    """
    from safetensors.torch import load_file

    if task is None:
        raise UserError(f"{spec.set}: {spec.family} needs a trained head; found no task to read")
    path = folder / f"head-{task}.safetensors"
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected the head of a trained checkpoint")
    head = trainable_family(spec.family).head(hidden_size, dropout=0.0)
    head.load_state_dict(load_file(path))
    return head.float().train(False)
