"""The span-QA family: extractive answers to questions, in SQuAD's schema (features: span_maker).

The head and the loss are those of transformers' XLMRobertaForQuestionAnswering (one linear layer,
the mean of two cross-entropies), but padding is masked out of the softmax, so that a batch's
make-up does not change its losses. Unanswerable questions, and windows without the answer, point
at `<s>`. Whether "no answer" may be predicted is read from the rows: where any question of the
language's evaluation set has none, SQuAD v2.0's rules hold (decoding with threshold 0, and
scoring), else SQuAD v1.1's, as XQuAD, MLQA and TyDiQA-GoldP want it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

from xtl.tasks.family import Feature, Prediction, Row, example_id, mean_metrics
from xtl.tasks.qa_metrics import METRICS, Rule, qa_metrics
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.span_decoding import Floats, Span, decode
from xtl.tasks.span_features import golds

CHANCE_EXACT_MATCH = 1.0
"""Percent. A random span of a short paragraph is right in about one of a thousand cases."""


class SpanQA:
    """Both a TrainableFamily and an EvaluableFamily."""

    needs_head = True

    def head(self, hidden_size: int, dropout: float) -> nn.Module:
        """Two scores a token. No dropout of its own: the encoder's last layer has it already."""
        head = nn.Linear(hidden_size, 2)
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return head

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum over windows of (start + end cross-entropy) / 2; windows with both ends right."""
        scores = head(hidden).float().masked_fill(~mask.bool()[:, :, None], float("-inf"))
        loss = functional.cross_entropy(scores, labels, reduction="sum") / 2
        correct = (scores.argmax(dim=1) == labels).all(dim=1).sum()
        return loss, correct

    def targets(self, feature: Feature) -> int:
        """One a window."""
        return 1

    def layer(self, depth: int, decoding: DecodingSettings) -> int:
        return depth

    def outputs(self, head: nn.Module | None, hidden: Tensor, mask: Tensor) -> Tensor:
        """Start and end scores, (batch, length, 2), in float32: in bf16 close ones would tie."""
        if head is None:
            raise ValueError("span QA reads answers off a head, and none was given")
        scores: Tensor = head(hidden.float())
        return scores

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Floats],
        language: str,
        decoding: DecodingSettings,
    ) -> list[Prediction]:
        """Text is cut from the row's own context; score is the margin over "no answer"."""
        rule = rule_of(rows)
        spans = decode(len(rows), features, outputs, decoding.n_best, decoding.max_answer_tokens)
        answers = [
            Prediction(
                example_id(row, index), language, _text(row, span, rule), span.margin, metrics={}
            )
            for index, (row, span) in enumerate(zip(rows, spans, strict=True))
        ]
        return self.rescore(rows, answers, language)

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], language: str
    ) -> list[Prediction]:
        rule = rule_of(rows)
        return [
            replace(said, metrics=qa_metrics(said.text, golds(row), language, rule))
            for row, said in zip(rows, predictions, strict=True)
        ]

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        return mean_metrics(predictions, METRICS)

    def at_chance(self, predictions: Sequence[Prediction]) -> bool:
        return self.summarise(predictions)["exact_match"] < CHANCE_EXACT_MATCH


def rule_of(rows: Sequence[Row]) -> Rule:
    """SQuAD v2.0's if any question has no answer, else v1.1's."""
    return "squad-v1.1" if all(golds(row) for row in rows) else "squad-v2.0"


def _text(row: Row, span: Span, rule: Rule) -> str:
    if rule == "squad-v2.0" and span.margin < 0:
        return ""
    return str(row["context"])[span.start : span.end]


FAMILY = SpanQA()
