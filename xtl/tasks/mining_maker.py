"""The mining family's features: each sentence by itself. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtl.errors import UserError
from xtl.tasks.family import Feature, FeatureSettings, Row
from xtl.tasks.retrieval_features import token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class MiningMaker:
    """A FeatureMaker, for evaluation alone."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        raise UserError("family 'mining' cannot be trained on, only evaluated on")

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """One for each row: the sentence, stripped and cut to max_length."""
        sentences = [str(row["text"]).strip() for row in rows]
        ids = token_ids(sentences, tokenizer, settings.max_length)
        return [Feature(example=place, input_ids=ids[text]) for place, text in enumerate(sentences)]


MAKER = MiningMaker()
