"""A checkpoint made ready to be read: tokenizer, encoder up to the layer that is read, head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from xtl.errors import UserError
from xtl.sweep.shard import Precision
from xtl.tasks.family import EvaluableFamily, TrainableFamily
from xtl.tasks.settings import DecodingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, XLMRobertaModel

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The checkpoint's own tokenizer, from its folder alone."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return cast("PreTrainedTokenizerFast", tokenizer)


def load_encoder(
    folder: Path, family: EvaluableFamily, decoding: DecodingSettings, precision: Precision
) -> XLMRobertaModel:
    """The encoder in the wanted precision, without the layers above the one that is read."""
    from transformers import XLMRobertaModel

    encoder: XLMRobertaModel = XLMRobertaModel.from_pretrained(
        folder, add_pooling_layer=False, dtype=_DTYPES[precision], local_files_only=True
    )
    stack = encoder.encoder.layer
    encoder.encoder.layer = stack[: family.layer(len(stack), decoding)]
    encoder.train(False)
    return encoder


def load_head(folder: Path, family: TrainableFamily, task: str, hidden_size: int) -> nn.Module:
    """The task's head in float32: in bf16 close scores would tie.

    Raises UserError where the checkpoint has no head of that task.
    """
    from safetensors.torch import load_file

    path = folder / f"head-{task}.safetensors"
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected the head of a trained checkpoint")
    head = family.head(hidden_size, dropout=0.0)
    head.load_state_dict(load_file(path))
    return head.float().train(False)
