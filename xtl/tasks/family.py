"""What a task family is: its features, its head, its loss, and how its answers are read and scored.

A family is one module that offers an object satisfying these protocols; `xtl.tasks.families`
finds it by the name that the catalogue uses. Torch is imported by the families, never here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xtl.tasks.settings import DecodingSettings, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerFast

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Feature:
    """One tokenised window. `labels` is empty in evaluation; `offsets` is empty in training.

    `example` is the index of its row; `offsets` are (start, end) characters of the context for
    each token, (0, 0) for tokens that are not the context's.
    """

    example: int
    input_ids: tuple[int, ...]
    labels: tuple[int, ...] = ()
    offsets: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What a checkpoint answered for one example, and what that was worth."""

    example_id: str
    language: str
    text: str
    score: float
    metrics: Mapping[str, float]


class TrainableFamily(Protocol):
    """A family that a model can be trained on."""

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, recipe: Recipe
    ) -> list[Feature]:
        """All windows of all rows, in the rows' order, with labels."""

    def head(self, hidden_size: int, dropout: float) -> nn.Module:
        """A new head over hidden states (batch, length, hidden_size)."""

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(sum of the losses, correct targets) of a padded batch.

        Shapes: hidden (batch, length, hidden_size), mask (batch, length), labels (batch, k).
        The caller divides by the update's global count of targets (`targets`).
        """

    def targets(self, feature: Feature) -> int:
        """How many targets the feature adds to the loss's denominator."""


class EvaluableFamily(Protocol):
    """A family that a checkpoint can be evaluated on, one language's rows at a time."""

    needs_head: bool

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, decoding: DecodingSettings
    ) -> list[Feature]:
        """All windows of all rows, in the rows' order, with offsets."""

    def outputs(
        self, head: nn.Module | None, layers: Sequence[Tensor], mask: Tensor,
        decoding: DecodingSettings,
    ) -> Tensor:
        """What is kept of a forward pass: (batch, …), float32, cut by the caller to each length.

        `layers` are the hidden states of every layer, embeddings first, each (batch, length, h).
        """

    def predict(
        self, rows: Sequence[Row], features: Sequence[Feature], outputs: Sequence[Any],
        language: str, decoding: DecodingSettings,
    ) -> list[Prediction]:
        """Decoded and scored answers, one for each row, in the rows' order."""

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The set's metrics for one language, in percent, named as the field names them."""
