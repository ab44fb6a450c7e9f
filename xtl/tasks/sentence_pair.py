"""The sentence-pair family: which class does a pair belong to? (features: pair_maker).

Head and loss are those of transformers' XLMRobertaForSequenceClassification. An answer is the name
of a class, so that sets that number theirs otherwise are scored alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from xtl.errors import UserError
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


class SentencePair(HeadFamily):
    """Both a TrainableFamily and an EvaluableFamily."""

    def head(self, settings: HeadSettings) -> nn.Module:
        """One score a class. UserError where no class is named."""
        if not settings.labels:
            raise UserError("labels: found none, expected the names of a sentence pair's classes")
        return ClassificationHead(settings.hidden_size, len(settings.labels), settings.dropout)

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum over pairs of their cross-entropy; pairs whose class has the highest score."""
        scores, gold = head(hidden).float(), labels[:, 0]
        loss = functional.cross_entropy(scores, gold, reduction="sum")
        return loss, (scores.argmax(dim=1) == gold).sum()

    def targets(self, feature: Feature) -> int:
        """One a pair."""
        return 1

    def outputs(self, head: nn.Module | None, hidden: Tensor, mask: Tensor) -> Tensor:
        """Scores, (batch, classes)."""
        return scores_of(head, hidden)

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Floats],
        asked: Asked,
    ) -> list[Prediction]:
        """Text is the class's name, its number where it has none; score its log-probability."""
        answers = [
            _answer(example_id(row, index), scores, asked)
            for index, (row, scores) in enumerate(zip(rows, outputs, strict=True))
        ]
        return self.rescore(rows, answers, asked)

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        return marked(predictions, [_named(row["label"], asked.labels) for row in rows])

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        return mean_metrics(predictions, METRICS)

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        """The best blind guess is the commonest class: its share of the rows is its chance."""
        ((_, commonest),) = Counter(row["label"] for row in rows).most_common(1)
        return is_chance(predictions, [commonest / len(rows)] * len(rows))


def _answer(name: str, scores: Floats, asked: Asked) -> Prediction:
    best = int(scores.argmax())
    score = float(log_probabilities(scores)[best])
    return Prediction(name, asked.language, _named(best, asked.head_labels), score, metrics={})


def _named(number: int, labels: Sequence[str]) -> str:
    return labels[number] if labels else str(number)


FAMILY = SentencePair()
