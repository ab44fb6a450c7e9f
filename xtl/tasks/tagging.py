"""The tagging family: parts of speech, names, supertags, one tag a word (features: tag_maker).

The head is that of transformers' XLMRobertaForTokenClassification. A word's tag is the likeliest
at its first piece. Of the scores only that tag's number and its log-probability are kept, so that
CCGbank's 1,363 tags take no more memory than UDPOS's 17.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from xtl.errors import UserError
from xtl.tasks.family import (
    Asked,
    Feature,
    HeadFamily,
    HeadSettings,
    Prediction,
    Row,
    example_id,
)
from xtl.tasks.tag_maker import NO_WORD
from xtl.tasks.tag_metrics import are_bare, tag_counts, tag_scores

Floats = NDArray[np.float32]

CHANCE_F1 = 1.0
"""Percent. Tags drawn at random hardly ever make a whole chunk."""

_INITIAL_STD = 0.02  # XLM-R's initializer_range


class TagHead(nn.Module):
    """Dropout and one linear layer, its parameters named as transformers names them."""

    def __init__(self, hidden_size: int, tags: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, tags)
        nn.init.normal_(self.classifier.weight, std=_INITIAL_STD)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores of every tag: (…, hidden_size) → (…, tags)."""
        scores: Tensor = self.classifier(self.dropout(hidden))
        return scores


class Tagging(HeadFamily):
    """Both a TrainableFamily and an EvaluableFamily."""

    def head(self, settings: HeadSettings) -> nn.Module:
        return TagHead(settings.hidden_size, len(settings.labels), settings.dropout)

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum over words of the cross-entropy, in float32; words with the right tag."""
        chosen = labels >= 0
        scores, wanted = head(hidden[chosen]).float(), labels[chosen]
        loss = functional.cross_entropy(scores, wanted, reduction="sum")
        return loss, (scores.argmax(dim=-1) == wanted).sum()

    def targets(self, feature: Feature) -> int:
        """One a word."""
        return sum(label >= 0 for label in feature.labels)

    def outputs(self, head: nn.Module | None, hidden: Tensor, mask: Tensor) -> Tensor:
        """The likeliest tag's number and its log-probability, (batch, length, 2)."""
        if head is None:
            raise ValueError("tagging reads tags off a head, and none was given")
        best = head(hidden.float()).log_softmax(dim=-1).max(dim=-1)
        return torch.stack([best.indices.float(), best.values], dim=-1)

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Floats],
        asked: Asked,
    ) -> list[Prediction]:
        """Text is the tags, one a word, with spaces between; score their mean log-probability."""
        said: list[list[tuple[str, float]]] = [[] for _ in rows]
        for feature, output in zip(features, outputs, strict=True):
            said[feature.example] += _tagged(feature, output, asked.head_labels)
        answers = [
            Prediction(
                example_id(row, index),
                asked.language,
                " ".join(tag for tag, _ in tags),
                sum(score for _, score in tags) / max(1, len(tags)),
                metrics={},
            )
            for index, (row, tags) in enumerate(zip(rows, said, strict=True))
        ]
        return self.rescore(rows, answers, asked)

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        """Metrics are counts, as a set's F1 is no mean of sentences'. UserError where a text does
        not have a tag for each word."""
        bare = are_bare(asked.labels or _gold_tags(rows))
        return [
            replace(said, metrics=_counts(row, said, bare))
            for row, said in zip(rows, predictions, strict=True)
        ]

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        return tag_scores(said.metrics for said in predictions)

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        """Of bare tags: no more words right than by saying the most frequent one everywhere."""
        scores = self.summarise(predictions)
        if not are_bare(asked.labels or _gold_tags(rows)):
            return scores["f1"] < CHANCE_F1
        (_, most), *_ = Counter(_gold_tags(rows)).most_common(1)
        words = sum(said.metrics["words"] for said in predictions)
        return scores["token_accuracy"] <= 100 * most / words


def _tagged(feature: Feature, output: Floats, names: Sequence[str]) -> list[tuple[str, float]]:
    """(tag, its log-probability) of each word that begins in the window."""
    places = [place for place, offset in enumerate(feature.offsets) if offset != NO_WORD]
    return [(spoken(names[int(number)]), float(score)) for number, score in output[places]]


def _counts(row: Row, said: Prediction, bare: bool) -> dict[str, float]:
    try:
        return tag_counts(list(map(spoken, row["tags"])), said.text.split(), bare=bare)
    except ValueError as error:
        raise UserError(f"example {said.example_id} of {said.language}: {error}") from None


def _gold_tags(rows: Sequence[Row]) -> list[str]:
    return list(chain.from_iterable(row["tags"] for row in rows))


def spoken(tag: str) -> str:
    """A tag as predictions have it: white space, which parts tags there, becomes `_`."""
    return "_".join(tag.split())


FAMILY = Tagging()
