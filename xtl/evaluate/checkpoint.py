"""A checkpoint made ready to be read: the encoder up to the layer that is read, and the head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from xtl.errors import UserError
from xtl.model import encoder as encoders
from xtl.model.heads import read_head
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.families import trainable_family
from xtl.tasks.family import EvaluableFamily, HeadSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_encoder(folder: Path, family: EvaluableFamily, spec: EvaluateSpec) -> PreTrainedModel:
    """In the spec's precision and evaluation mode; its outputs are those of the layer that is
    read. UserError where the model is shorter than the sequences may be."""
    encoder = encoders.load_encoder(folder, dropout=0.0, max_length=spec.decoding.max_length)
    encoders.read_at(encoder, family.layer(encoder.config.num_hidden_layers, spec.decoding))
    nn.Module.to(encoder, _DTYPES[spec.precision])
    encoder.train(False)
    return encoder


def load_head(
    folder: Path, spec: EvaluateSpec, task: str | None, hidden_size: int
) -> tuple[nn.Module, tuple[str, ...]]:
    """The head that the checkpoint has of `task`, in float32 (in half precision close scores would
    tie), and the names of its classes or tags.

    Raises UserError where no task is named, or the checkpoint has no such head.
    """
    if task is None:
        raise UserError(f"{spec.set}: {spec.family} needs a trained head; found no task to read")
    found = read_head(folder, task, spec.family)
    settings = HeadSettings(hidden_size, dropout=0.0, labels=found.labels)
    head = trainable_family(spec.family).head(settings)
    head.load_state_dict(dict(found.tensors))
    return head.float().train(False), found.labels
