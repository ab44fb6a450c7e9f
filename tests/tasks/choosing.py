"""What the tests of the families that choose share: rows of our own writing, a tiny encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

from xtl.data.batches import collate
from xtl.tasks.family import Feature, HeadSettings

PAD, HIDDEN, VOCABULARY = 1, 16, 600


def pair(sentence1: str, sentence2: str, label: int = 0) -> dict[str, Any]:
    return {"sentence1": sentence1, "sentence2": sentence2, "label": label}


def choosing(prompt: str, *choices: str, label: int = 0) -> dict[str, Any]:
    return {"prompt": prompt, "choices": list(choices), "label": label}


def head_settings(*labels: str, dropout: float = 0.0) -> HeadSettings:
    return HeadSettings(hidden_size=HIDDEN, dropout=dropout, labels=labels)


def tiny_classifier(classes: int) -> XLMRobertaForSequenceClassification:
    """Transformers' own, with random weights, without dropout; scores are of a size to matter."""
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=140, pad_token_id=PAD, initializer_range=0.4,
    )  # fmt: skip
    config.num_labels = classes
    model = XLMRobertaForSequenceClassification(config)
    model.train(False)
    return model


def batch_of(features: Sequence[Feature]) -> tuple[Tensor, Tensor, Tensor]:
    """(ids, mask, labels), padded as a training pads them."""
    batch = collate(features, PAD)
    ids, mask, labels = map(torch.from_numpy, (batch.input_ids, batch.mask, batch.labels))
    return ids, mask, labels
