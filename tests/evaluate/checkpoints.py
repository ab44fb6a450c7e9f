"""A tiny XLM-R with a span head, and jobs that read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from tests.tasks.pools import pool_of
from xtl.evaluate.evaluator import EvaluateJob
from xtl.model.heads import Head, write_head
from xtl.sweep.shard import EvaluateSpec, HeldOut, ModelRef, Precision, Table
from xtl.tasks.settings import DecodingSettings

DEPTH, HIDDEN = 3, 32
HEAD_TASK = "squad"
DECODING = DecodingSettings(max_length=48, doc_stride=16)

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def write_checkpoint(
    folder: Path, tokenizer: PreTrainedTokenizerFast, head: Mapping[str, Tensor]
) -> Path:
    """As a training hands one over: safetensors, config, tokenizer, and the head by itself."""
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=DEPTH,
        num_attention_heads=4, intermediate_size=64, max_position_embeddings=514,
        type_vocab_size=1, initializer_range=0.5,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_head(folder, Head(HEAD_TASK, "span-qa", (), head))
    return folder


def span_head(scale: float = 1.0, bias: tuple[float, float] = (0.0, 0.0)) -> dict[str, Tensor]:
    """A random head; with scale 0 every token has the same scores."""
    generator = torch.Generator().manual_seed(1)
    weight = scale * torch.randn(2, HIDDEN, generator=generator)
    return {"weight": weight, "bias": torch.tensor(bias)}


def make_job(
    checkpoint: Path,
    rows: Rows,
    family: str = "span-qa",
    batch_tokens: int = 256,
    precision: Precision = "fp32",
    decoding: DecodingSettings = DECODING,
    head_task: str | None = HEAD_TASK,
    held_out: HeldOut | None = None,
) -> EvaluateJob:
    """The languages of `rows` as one evaluation set, tokenised beside the checkpoint."""
    table = Table(
        repo="own/rows", revision="1", config="c", split="s", form="own", rows=1, content="hash"
    )
    spec = EvaluateSpec(
        set="own-set",
        family=family,
        model=ModelRef(repo="own/model", revision="1", fingerprint="hash"),
        parent=None,
        data=tuple((language, table) for language in sorted(rows)),
        held_out=held_out,
        decoding=decoding,
        precision=precision,
    )
    sets = {language: datasets.Dataset.from_list(list(given)) for language, given in rows.items()}
    pools = {
        language: pool_of(
            checkpoint.parent / f"{checkpoint.name}-pools", given, checkpoint,
            family=family, use="evaluate", settings=decoding,
        )
        for language, given in rows.items()
    }  # fmt: skip
    return EvaluateJob(spec, sets, pools, checkpoint, head_task, batch_tokens)
