"""What a task family is: its features, its head, its loss, and how its answers are read and scored.

A family is two objects, which `xtl.tasks.families` finds by the name that the catalogue uses: one
that makes features, in a module without torch, as `prepare` tokenises on a login node; and one
with all that works on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xtl.tasks.settings import DecodingSettings, Frozen, Recipe

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerFast

    Array = NDArray[np.float32]

Row = Mapping[str, Any]

MAX_QUESTION_TOKENS = 64
"""Longer questions are cut (BERT's run_squad, XTREME, jiant); to half a window if that is less."""


class FeatureSettings(Frozen):
    """All that features depend on beside rows and tokenizer; lengths are in tokens.

    A feature maker is given nothing else, and the token cache's key holds all of it: what changes
    features cannot be missing there.
    """

    max_length: int
    doc_stride: int
    max_question_tokens: int = MAX_QUESTION_TOKENS
    labels: tuple[str, ...] = ()
    """Names of the tags that a training learns, in the order of their numbers."""

    @classmethod
    def of(
        cls, settings: Recipe | DecodingSettings, labels: tuple[str, ...] = ()
    ) -> FeatureSettings:
        """What concerns features of a training's or an evaluation's settings."""
        return cls(max_length=settings.max_length, doc_stride=settings.doc_stride, labels=labels)


@dataclass(frozen=True)
class Feature:
    """One tokenised window. `labels` is empty in evaluation; `offsets` is empty in training.

    `example` is the index of its row; `part` tells a row's several texts apart (the two
    sentences of a pair, the choices of a question). `offsets` are (start, end) characters of the
    context for each token, (0, 0) for tokens that are not the context's; of tagging, (number,
    number + 1) of the word that begins with the token.
    """

    example: int
    input_ids: tuple[int, ...]
    labels: tuple[int, ...] = ()
    offsets: tuple[tuple[int, int], ...] = ()
    part: int = 0


@dataclass(frozen=True)
class Prediction:
    """What a checkpoint answered for one example, and what that was worth."""

    example_id: str
    language: str
    text: str
    score: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Asked:
    """What a family is told of the rows that it answers for: their language, how answers are read
    off, and names: `labels` of the rows' classes, `head_labels` of the head's outputs."""

    language: str
    decoding: DecodingSettings
    labels: tuple[str, ...] = ()
    head_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer: its size, and ids of the mask and of all that is
    never masked."""

    size: int
    mask: int
    special: frozenset[int]


@dataclass(frozen=True)
class HeadSettings:
    """What a new head is made of: `labels` name its classes or tags. Of the encoder that it will
    stand on: `embeddings` are its word embeddings, `start` the folder that it was read from."""

    hidden_size: int
    dropout: float
    labels: tuple[str, ...] = ()
    embeddings: nn.Embedding | None = None
    start: Path | None = None


class FeatureMaker(Protocol):
    """How a family's rows become features. Each row's depend on that row alone, and never on
    torch. `version` is raised when the same rows and settings give other features."""

    version: int

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """All windows of all rows, in the rows' order, with labels; UserError if the family
        cannot be trained on."""

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """All windows of all rows, in the rows' order, with offsets where decoding needs them."""


class TrainableFamily(Protocol):
    """A family that a model can be trained on."""

    together: bool
    """Whether all features of an example must meet in one micro-batch, side by side."""

    def head(self, settings: HeadSettings) -> nn.Module:
        """A new head over hidden states (batch, length, hidden_size)."""

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(sum of the losses, correct targets) of a padded batch.

        Shapes: hidden (batch, length, hidden_size), mask (batch, length), labels (batch, k).
        The caller divides by the update's global count of targets (`targets`).
        """

    def drawn(
        self, features: Sequence[Feature], vocabulary: Callable[[], Vocabulary], seed: Sequence[int]
    ) -> Sequence[Feature]:
        """The features as one update sees them: a pure function of what is given, that draws
        anew for each `seed` where there is anything to be drawn (masks)."""

    def targets(self, feature: Feature) -> int:
        """How many targets the feature, as drawn, adds to the loss's denominator."""


class EvaluableFamily(Protocol):
    """A family that a checkpoint can be evaluated on, one language's rows at a time."""

    needs_head: bool

    def layer(self, depth: int, decoding: DecodingSettings) -> int:
        """The hidden layer that is read, of `depth` layers: 0 = embeddings, `depth` = the last."""

    def outputs(self, head: nn.Module | None, hidden: Tensor, mask: Tensor) -> Tensor:
        """What is kept of a forward pass, float32: hidden is (batch, length, hidden_size).

        Either (batch, length, k), which the caller cuts to each feature's length, or (batch, k).
        """

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Array],
        asked: Asked,
    ) -> list[Prediction]:
        """Decoded and scored answers, one for each row, in the rows' order.

        `outputs` has one float32 numpy array a feature: (length, k) or (k,).
        """

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        """The same answers with their metrics computed again from text alone, without a model."""

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The set's metrics for one language, in percent, named as the field names them: out of
        the predictions' own `metrics`."""

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        """Whether one language's answers are no better than guessing."""


class HeadFamily:
    """What families have in common whose answers are read off a head on the last layer."""

    needs_head = True
    together = False

    def drawn(
        self, features: Sequence[Feature], vocabulary: Callable[[], Vocabulary], seed: Sequence[int]
    ) -> Sequence[Feature]:
        """As they are: nothing of them is left to chance."""
        return features

    def layer(self, depth: int, decoding: DecodingSettings) -> int:
        return depth


def example_id(row: Row, index: int) -> str:
    """The row's own id; its position in the set where it has none."""
    return str(row["id"]) if "id" in row else str(index)


def mean_metrics(predictions: Sequence[Prediction], names: Sequence[str]) -> dict[str, float]:
    """The mean of each named metric; predictions must not be empty."""
    return {
        name: sum(each.metrics[name] for each in predictions) / len(predictions) for name in names
    }
