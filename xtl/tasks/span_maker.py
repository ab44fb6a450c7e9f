"""The span-QA family's features: windows with labels, or with offsets. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xtl.tasks.family import Feature, FeatureSettings, Row
from xtl.tasks.span_features import Windows, first_answer, golds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class SpanMaker:
    """A FeatureMaker."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Windows with labels; none for a row with an answer that is not in its context, or that
        no token has a part of."""
        windows = _windows(rows, tokenizer, settings)
        return [each for k, row in enumerate(rows) for each in _labelled(windows, k, row)]

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Windows with offsets."""
        windows = _windows(rows, tokenizer, settings)
        return [each for k in range(len(rows)) for each in windows.unlabelled(k)]


def _windows(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
) -> Windows:
    return Windows(
        rows,
        tokenizer,
        settings.max_length,
        settings.doc_stride,
        settings.max_question_tokens,
    )


def _labelled(windows: Windows, example: int, row: Row) -> Iterator[Feature]:
    answer = first_answer(row)
    if golds(row):
        span = answer and windows.context(example).tokens_of(answer.start, answer.end)
        if span is None:
            return iter(())
    return windows.labelled(example, answer)


MAKER = SpanMaker()
