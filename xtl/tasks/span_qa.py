"""The span-QA family: extractive answers to questions, in SQuAD's schema (features: span_maker).

The head and the loss are those of transformers' XLMRobertaForQuestionAnswering (one linear layer,
the mean of two cross-entropies), but padding is masked out of the softmax, so that a batch's
make-up does not change its losses. Unanswerable questions, and windows without the answer, point
at `<s>`. Whether "no answer" may be predicted is read from the rows: where any question of the
language's evaluation set has none, SQuAD v2.0's rules hold (decoding with threshold 0, and
scoring), else those that the set asks for: MLQA's own, or SQuAD v1.1's, as XQuAD and TyDiQA-GoldP
want it.

Where some questions have no answer, `f1_best_threshold` is reported beside `f1`: the F1 at the
threshold that suits these very questions best (the official script's best_f1). It needs what each
question would score if it were answered after all, which only `predict` can know: the text of an
answer that was not given is not kept, so a prediction's metrics have that score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional

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
from xtl.tasks.qa_metrics import METRICS, Rule, best_threshold, qa_metrics
from xtl.tasks.span_decoding import Floats, Span, decode
from xtl.tasks.span_features import golds

CHANCE_EXACT_MATCH = 1.0
"""Percent. A random span of a short paragraph is right in about one of a thousand cases."""


ANSWERED = "f1_answered"
SILENT = "f1_silent"
"""Of one prediction: F1 if its best span is given, and if no answer is; text is one of the two."""

BEST_THRESHOLD = "f1_best_threshold"


class SpanQA(HeadFamily):
    """Both a TrainableFamily and an EvaluableFamily."""

    def head(self, settings: HeadSettings) -> nn.Module:
        """Two scores a token. No dropout of its own: the encoder's last layer has it already."""
        head = nn.Linear(settings.hidden_size, 2)
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return head

    def loss(
        self, head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum over windows of (start + end cross-entropy) / 2; windows with both ends right."""
        scores = head(hidden).float().masked_fill(~mask.bool()[:, :, None], float("-inf"))
        # Summed by itself: for this shape cross_entropy's own sum has no deterministic CUDA kernel.
        loss = functional.cross_entropy(scores, labels, reduction="none").sum() / 2
        correct = (scores.argmax(dim=1) == labels).all(dim=1).sum()
        return loss, correct

    def targets(self, feature: Feature) -> int:
        """One a window."""
        return 1

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
        asked: Asked,
    ) -> list[Prediction]:
        """Text is cut from the row's own context; score is the margin over "no answer"."""
        rule, how = rule_of(rows, asked), asked.decoding
        spans = decode(len(rows), features, outputs, how.n_best, how.max_answer_tokens)
        return [
            _prediction(row, example_id(row, index), span, asked.language, rule)
            for index, (row, span) in enumerate(zip(rows, spans, strict=True))
        ]

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        """What was scored at either side of a threshold stays: the text has one of them at most."""
        rule = rule_of(rows, asked)
        return [
            replace(
                said,
                metrics=qa_metrics(said.text, golds(row), asked.language, rule) | _kept(said),
            )
            for row, said in zip(rows, predictions, strict=True)
        ]

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Means; and `f1_best_threshold` where a question has no answer, and the margins tell."""
        return mean_metrics(predictions, METRICS) | _tuned(predictions)

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        return self.summarise(predictions)["exact_match"] < CHANCE_EXACT_MATCH


def rule_of(rows: Sequence[Row], asked: Asked) -> Rule:
    """The set's; SQuAD v2.0's if any question has no answer, which no other rule can score."""
    if asked.decoding.scoring == "squad-v2" or not all(golds(row) for row in rows):
        return "squad-v2.0"
    return "mlqa" if asked.decoding.scoring == "mlqa" else "squad-v1.1"


def _prediction(row: Row, name: str, span: Span, language: str, rule: Rule) -> Prediction:
    best = str(row["context"])[span.start : span.end]
    text = "" if rule == "squad-v2.0" and span.margin < 0 else best
    metrics = qa_metrics(text, golds(row), language, rule)
    answered, silent = metrics["f1"], 0.0
    if rule == "squad-v2.0":
        answered = qa_metrics(best, golds(row), language, rule)["f1"]
        silent = qa_metrics("", golds(row), language, rule)["f1"]
    metrics |= {ANSWERED: answered, SILENT: silent}
    return Prediction(name, language, text, span.margin, metrics)


def _kept(said: Prediction) -> dict[str, float]:
    return {name: said.metrics[name] for name in (ANSWERED, SILENT) if name in said.metrics}


def _tuned(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Nothing where every question has an answer, or where scores were not kept."""
    if not any(said.metrics.get(SILENT) for said in predictions):
        return {}
    best, _ = best_threshold(
        [said.score for said in predictions],
        [said.metrics[ANSWERED] for said in predictions],
        [said.metrics[SILENT] for said in predictions],
    )
    return {BEST_THRESHOLD: best}


FAMILY = SpanQA()
