"""The multiple-choice family's features: `<s> prompt </s></s> choice </s>`, one for each choice.

Where both are too long the prompt's end is cut, so that choices always differ (jiant and
transformers' run_swag cut the longer of the two, which may be the choice). Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xtl.tasks.family import Feature, FeatureSettings, Row
from xtl.tasks.span_features import special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Ids = tuple[int, ...]


class ChoiceMaker:
    """A FeatureMaker. A feature's `part` is the number of its choice."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Labels are the choice's number, and 1 if it is the right one, else 0."""
        return [
            Feature(example, ids, labels=(part, int(part == rows[example]["label"])), part=part)
            for example, part, ids in _coded(rows, tokenizer, settings.max_length)
        ]

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """One for each choice of each row."""
        return [
            Feature(example, ids, part=part)
            for example, part, ids in _coded(rows, tokenizer, settings.max_length)
        ]


def _coded(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> Iterator[tuple[int, int, Ids]]:
    """(row, choice, token ids), each prompt tokenised once for all its choices."""
    before, between, after = special_tokens(tokenizer)
    room = max_length - len(before + between + after)
    prompts = _token_ids([str(row["prompt"]) for row in rows], tokenizer)
    choices = iter(_token_ids([text for row in rows for text in row["choices"]], tokenizer))
    for example, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        for part in range(len(row["choices"])):
            choice = next(choices)[:room]
            yield example, part, before + prompt[: room - len(choice)] + between + choice + after


def _token_ids(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> list[Ids]:
    if not texts:
        return []
    coded = tokenizer(list(texts), add_special_tokens=False, verbose=False)
    return [tuple(ids) for ids in coded["input_ids"]]


MAKER = ChoiceMaker()
