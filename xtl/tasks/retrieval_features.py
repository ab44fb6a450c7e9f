"""The retrieval family's features: the sentences of a pair, each by itself. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtl.errors import UserError
from xtl.tasks.family import Feature, FeatureSettings, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FOREIGN_PART, ENGLISH_PART = 0, 1


class RetrievalMaker:
    """A FeatureMaker, for evaluation alone."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        raise UserError("family 'retrieval' cannot be trained on, only evaluated on")

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Two for each row: the foreign sentence, then the English one; cut to max_length."""
        sentences = [text for row in rows for text in sides(row)]
        ids = token_ids(sentences, tokenizer, settings.max_length)
        return [
            Feature(example=place // 2, input_ids=ids[text], part=place % 2)
            for place, text in enumerate(sentences)
        ]


def sides(row: Row) -> tuple[str, str]:
    """(foreign, English) sentence of a row, stripped."""
    return str(row["source_sentence"]).strip(), str(row["target_sentence"]).strip()


def token_ids(
    sentences: Sequence[str], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> dict[str, tuple[int, ...]]:
    """The ids of each distinct sentence, cut to `max_length` with `</s>` kept."""
    distinct = list(dict.fromkeys(sentences))
    if not distinct:
        return {}
    coded = tokenizer(distinct, truncation=True, max_length=max_length)
    return {text: tuple(ids) for text, ids in zip(distinct, coded["input_ids"], strict=True)}


MAKER = RetrievalMaker()
