"""What a training begins with: an encoder, its heads, and the tokenizer's vocabulary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import nn

from xtl.model.encoder import TaskModel, freeze, load_encoder, word_embeddings
from xtl.model.heads import read_head, require_labels
from xtl.model.tokenizer import load_tokenizer
from xtl.sweep.shard import Part, TrainSpec
from xtl.tasks.families import trainable_family
from xtl.tasks.family import HeadSettings, Vocabulary


def vocabulary(folder: Path) -> Vocabulary:
    """What masking needs to know of the tokenizer in a model's folder."""
    tokenizer = load_tokenizer(folder)
    return Vocabulary(
        size=len(tokenizer),
        mask=cast(int, tokenizer.mask_token_id),
        special=frozenset(tokenizer.all_special_ids),
    )


def build(spec: TrainSpec, start: Path) -> TaskModel:
    """The encoder in `start`, as the spec freezes it, under a head for each part: seeded, or the
    parent's. UserError for a head that does not fit, or a part of the encoder that is unknown."""
    encoder = load_encoder(start, spec.recipe.dropout, spec.recipe.max_length)
    freeze(encoder, spec.freeze)
    torch.manual_seed(spec.seed)
    families = [trainable_family(part.family) for part in spec.parts]
    made = HeadSettings(
        hidden_size=encoder.config.hidden_size,
        dropout=spec.recipe.dropout,
        embeddings=word_embeddings(encoder),
        start=start,
    )
    heads = [
        family.head(replace(made, labels=part.labels))
        for family, part in zip(families, spec.parts, strict=True)
    ]
    if spec.head_of is not None:
        _carry_over(heads[0], spec.parts[0], start, spec.head_of)
    return TaskModel(encoder, heads, [family.loss for family in families])


def _carry_over(head: nn.Module, part: Part, folder: Path, task: str) -> None:
    found = read_head(folder, task, part.family)
    require_labels(found, part.labels, part.task)
    head.load_state_dict(dict(found.tensors))
