"""What the families that choose share: the head over `<s>`, log-probabilities, hits, and chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xtl.tasks.family import Prediction

Floats = NDArray[np.float32]

METRICS = ("accuracy",)

CHANCE_DEVIATIONS = 2.0
"""Guessing gets further above its mean in 2.3% of sets (normal approximation)."""


class ClassificationHead(nn.Module):
    """That of transformers' XLMRobertaForSequenceClassification, its parameters' names included:
    a dense layer with tanh over `<s>`, then one score a class, each after dropout."""

    def __init__(self, hidden_size: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(hidden_size, classes)
        for layer in (self.dense, self.out_proj):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores (batch, classes) of hidden states (batch, length, hidden_size)."""
        inner = torch.tanh(self.dense(self.dropout(hidden[:, 0])))
        scores: Tensor = self.out_proj(self.dropout(inner))
        return scores


def scores_of(head: nn.Module | None, hidden: Tensor) -> Tensor:
    """The head's scores (batch, classes) in float32: in bf16 close ones would tie."""
    if head is None:
        raise ValueError("classes are read off a head, and none was given")
    scores: Tensor = head(hidden.float())
    return scores


def log_probabilities(scores: Floats) -> NDArray[np.float64]:
    """Of the classes (or choices) of one example, whose scores these are."""
    shifted = scores.astype(np.float64) - scores.max()
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return logs


def marked(predictions: Iterable[Prediction], golds: Iterable[str]) -> list[Prediction]:
    """The predictions with their accuracy: 100 where the text is the gold one, else 0."""
    return [
        replace(said, metrics={"accuracy": 100.0 * (said.text == gold)})
        for said, gold in zip(predictions, golds, strict=True)
    ]


def is_chance(predictions: Sequence[Prediction], chances: Sequence[float]) -> bool:
    """Whether there are no more hits than guessing gets, `chances` being its own of each row.

    Hits of independent guesses have the mean Σp and the variance Σp(1 - p).
    """
    hits = sum(said.metrics["accuracy"] > 0 for said in predictions)
    spread = math.sqrt(math.fsum(chance * (1 - chance) for chance in chances))
    return hits <= math.fsum(chances) + CHANCE_DEVIATIONS * spread
