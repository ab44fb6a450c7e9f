"""The tagging family's features: a sentence's words in pieces, in as many windows as they fill.

Each word is cut into pieces by itself, as XTREME does it: what a word becomes never hangs on its
neighbours, nor on whether a script writes spaces, and the first piece is known without offsets.
The first piece stands for the word; a word that the tokenizer turns into nothing, or into a space
alone, becomes the unknown piece, so that every word is tagged (XTREME's preprocessing again).
Ours differ in two ways: `<s>` and `</s>` surround a window as in pre-training (XTREME ends XLM-R's
in a second `</s>`), and a word that no window holds keeps its first pieces (there: unknown).
Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, cast

from xtl.data.batches import IGNORED_LABEL
from xtl.tasks.family import Feature, FeatureSettings, Row
from xtl.tasks.span_features import special_tokens

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedTokenizerFast

Pieces = tuple[int, ...]
"""Token ids of one word, at least one."""

NO_WORD = (0, 0)
"""The offsets of a token that no word begins with."""

_INSIDE = -1  # in place of a word's number: no word begins here
_BATCH_ROWS = 10_000


class TagMaker:
    """A FeatureMaker."""

    version = 1

    def train_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Windows with a label a token: the place in `settings.labels` of the tag of the word that
        begins there; -100 elsewhere, and for a tag that is not among them. No window without any.
        """
        numbers = {tag: number for number, tag in enumerate(settings.labels)}
        windows = _Windows(rows, tokenizer, settings.max_length)
        features = [
            Feature(example, ids, labels=_labels(words, row, numbers))
            for example, row in enumerate(rows)
            for ids, words in windows.of(row)
        ]
        return [each for each in features if any(label >= 0 for label in each.labels)]

    def evaluate_features(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, settings: FeatureSettings
    ) -> list[Feature]:
        """Windows with offsets: (number, number + 1) of the word that begins with the token."""
        windows = _Windows(rows, tokenizer, settings.max_length)
        return [
            Feature(example, ids, offsets=tuple(map(_offset, words)))
            for example, row in enumerate(rows)
            for ids, words in windows.of(row)
        ]


class _Windows:
    """Cuts rows into windows; each distinct word is tokenised once."""

    def __init__(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> None:
        self._before, _, self._after = special_tokens(tokenizer)
        self._room = max_length - len(self._before) - len(self._after)
        self._pieces = word_pieces(chain.from_iterable(row["tokens"] for row in rows), tokenizer)

    def of(self, row: Row) -> Iterator[tuple[Pieces, list[int]]]:
        """(ids, the number of the word that begins at each, or -1) of each window of a row."""
        words = [self._pieces[word][: self._room] for word in row["tokens"]]
        for start, end in word_cuts([len(word) for word in words], self._room):
            ids, begins = list(self._before), [_INSIDE] * len(self._before)
            for number in range(start, end):
                ids += words[number]
                begins += [number] + [_INSIDE] * (len(words[number]) - 1)
            yield (*ids, *self._after), begins + [_INSIDE] * len(self._after)


def word_pieces(words: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> dict[str, Pieces]:
    """The pieces of each distinct word, without special tokens."""
    distinct = list(dict.fromkeys(words))
    if not distinct:
        return {}
    coded = tokenizer(distinct, add_special_tokens=False, verbose=False)["input_ids"]
    unknown = (cast(int, tokenizer.unk_token_id),)
    nothing: tuple[Pieces, ...] = ((), (cast(int, tokenizer.convert_tokens_to_ids("▁")),))
    pieces = zip(distinct, map(tuple, coded), strict=True)
    return {word: unknown if ids in nothing else ids for word, ids in pieces}


def word_cuts(lengths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """[start, end) of the words of each window: as many as fit, none twice. One, empty, of none.

    `lengths` are the words' pieces, none of them longer than `room`.
    """
    cuts, start, filled = [], 0, 0
    for number, length in enumerate(lengths):
        if filled + length > room:
            cuts.append((start, number))
            start, filled = number, 0
        filled += length
    return [*cuts, (start, len(lengths))]


def tag_names(rows: datasets.Dataset) -> tuple[str, ...]:
    """Every tag that the rows have, sorted by code point."""
    import pyarrow.compute as pc

    names: set[str] = set()
    for batch in rows.with_format("arrow").iter(batch_size=_BATCH_ROWS):
        names.update(pc.unique(pc.list_flatten(batch["tags"])).to_pylist())
    return tuple(sorted(names))


def _labels(words: Sequence[int], row: Row, numbers: dict[str, int]) -> tuple[int, ...]:
    tags = [numbers.get(tag, IGNORED_LABEL) for tag in row["tags"]]
    return tuple(IGNORED_LABEL if word == _INSIDE else tags[word] for word in words)


def _offset(word: int) -> tuple[int, int]:
    return NO_WORD if word == _INSIDE else (word, word + 1)


MAKER = TagMaker()
