"""The multiple-choice family: which choice goes with the prompt? (features: choice_maker).

Each choice is read alone with its prompt and given one score; the loss is the cross-entropy of the
softmax over an example's choices. The choices of an example stand side by side in a batch, from
the one numbered 0 on, and examples of one batch may have different numbers of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from xtl.tasks.classification import (
    METRICS,
    ClassificationHead,
    Floats,
    is_chance,
    log_probabilities,
    marked,
    scores_of,
)
from xtl.tasks.family import (
    Asked,
    Feature,
    HeadFamily,
    HeadSettings,
    Prediction,
    Row,
    example_id,
    mean_metrics,
)


class MultipleChoice(HeadFamily):
    """Both a TrainableFamily and an EvaluableFamily."""

    together = True

    def head(self, settings: HeadSettings) -> nn.Module:
        """One score a choice, whatever the number of choices."""
        return ClassificationHead(settings.hidden_size, 1, settings.dropout)

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum over examples of their cross-entropy; examples whose right choice scores highest.

        `labels` are (number of the choice, 1 if it is right else 0) of each.
        """
        scores = head(hidden).float()[:, 0]
        # Row k holds the scores of all choices beside choice k: no scatter, no wait for a device.
        beside = torch.where(_same_example(labels[:, 0]), scores[None, :], float("-inf"))
        right = labels[:, 1] == 1
        losses = torch.where(right, beside.logsumexp(dim=1) - scores, 0.0)
        chosen = beside.argmax(dim=1) == torch.arange(len(scores), device=scores.device)
        return losses.sum(), (chosen & right).sum()

    def targets(self, feature: Feature) -> int:
        """One an example: its first choice stands for it."""
        return int(feature.part == 0)

    def outputs(self, head: nn.Module | None, hidden: Tensor, mask: Tensor) -> Tensor:
        """Scores, (batch, 1)."""
        return scores_of(head, hidden)

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Floats],
        asked: Asked,
    ) -> list[Prediction]:
        """Text is the number of the choice, from 0; score its log-probability among them."""
        answers = [
            _answer(example_id(row, index), scores, asked.language)
            for index, (row, scores) in enumerate(
                zip(rows, _by_example(features, outputs, rows), strict=True)
            )
        ]
        return self.rescore(rows, answers, asked)

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        return marked(predictions, [str(row["label"]) for row in rows])

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        return mean_metrics(predictions, METRICS)

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        """A blind guess finds one of a row's choices."""
        return is_chance(predictions, [1 / len(row["choices"]) for row in rows])


def _same_example(parts: Tensor) -> Tensor:
    """(batch, batch): whether two choices are of one example; each begins with choice 0."""
    example = torch.cumsum(parts == 0, dim=0)
    return example[:, None] == example[None, :]


def _by_example(
    features: Sequence[Feature], outputs: Sequence[Floats], rows: Sequence[Row]
) -> list[Floats]:
    """Each row's scores, one a choice."""
    found: list[list[float]] = [[] for _ in rows]
    for feature, output in zip(features, outputs, strict=True):
        found[feature.example].append(float(output[0]))
    return [np.array(scores, dtype=np.float32) for scores in found]


def _answer(name: str, scores: Floats, language: str) -> Prediction:
    best = int(scores.argmax())
    score = float(log_probabilities(scores)[best])
    return Prediction(name, language, str(best), score, metrics={})


FAMILY = MultipleChoice()
