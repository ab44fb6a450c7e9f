"""The masked-LM family's features: consecutive windows of a text. Imports no torch.

What is masked is no part of them: it is drawn anew for each update (`xtl.tasks.masking`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xtl.errors import UserError
from xtl.tasks.family import Feature, FeatureSettings, Row
from xtl.tasks.span_features import cuts, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class TextMaker:
    """A FeatureMaker, for training alone."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Windows of max_length tokens, the last one of a text shorter, without labels.

        None for an empty text, nor for a window in which nothing could be masked, as the tokenizer
        knows none of its tokens.
        """
        texts = [str(row["text"]).strip() for row in rows]
        if not texts:
            return []
        before, _, after = special_tokens(tokenizer)
        room = settings.max_length - len(before + after)
        unmasked = frozenset(tokenizer.all_special_ids)
        coded = tokenizer(texts, add_special_tokens=False, verbose=False)
        return [
            Feature(example, before + part + after)
            for example, ids in enumerate(coded["input_ids"])
            for part in _parts(tuple(ids), room)
            if not unmasked.issuperset(part)
        ]

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        raise UserError("family 'masked-lm' cannot be evaluated on, only trained on")


def _parts(ids: tuple[int, ...], room: int) -> Iterator[tuple[int, ...]]:
    """Consecutive pieces of at most `room` tokens."""
    return (ids[start:end] for start, end in cuts(len(ids), room, room))


MAKER = TextMaker()
