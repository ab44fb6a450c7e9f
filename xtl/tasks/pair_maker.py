"""The sentence-pair family's features: `<s> sentence1 </s></s> sentence2 </s>`. Imports no torch.

Pairs are coded and cut by the tokenizer itself, the longer sentence first, as in jiant, XTREME and
transformers' own scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtl.tasks.family import Feature, FeatureSettings, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class PairMaker:
    """A FeatureMaker."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """One a row; its label is the number of the row's class."""
        coded = _token_ids(rows, tokenizer, settings.max_length)
        return [
            Feature(example, ids, labels=(int(row["label"]),))
            for example, (row, ids) in enumerate(zip(rows, coded, strict=True))
        ]

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """One a row."""
        coded = _token_ids(rows, tokenizer, settings.max_length)
        return [Feature(example, ids) for example, ids in enumerate(coded)]


def _token_ids(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> list[tuple[int, ...]]:
    if not rows:
        return []
    coded = tokenizer(
        [str(row["sentence1"]) for row in rows],
        [str(row["sentence2"]) for row in rows],
        truncation="longest_first",
        max_length=max_length,
        verbose=False,
    )
    return [tuple(ids) for ids in coded["input_ids"]]


MAKER = PairMaker()
