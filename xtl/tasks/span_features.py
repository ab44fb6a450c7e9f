"""Windows of a question and its context, with exact character offsets and span labels.

A window is `<s> question </s></s> context tokens </s>`, put together from the question's and the
context's own tokens, so that each distinct context is tokenised once however many questions and
windows it has. `doc_stride` is the step between the starts of windows, in context tokens, as in
BERT's run_squad, XTREME and jiant (not the overlap, as the fast tokenizer's `stride` is).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from xtl.tasks.family import MAX_QUESTION_TOKENS, Feature, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NULL = (0, 0)
"""Labels of a window without the answer: both ends at `<s>`."""

_SPACE_PIECE = "▁"


@dataclass(frozen=True)
class Context:
    """A context's tokens; `offsets` are (start, end) characters of the text, spaces trimmed.

    A token that is only white space is empty (start = end), and can neither start nor end an
    answer. Tokens may share characters (those of ½ or …), and starts and ends never decrease.
    """

    text: str
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]

    def tokens_of(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last token of the characters [start, end); None if no token has any."""
        solid = self._solid
        first = bisect_right(solid, start, key=lambda index: self.offsets[index][1])
        last = bisect_left(solid, end, key=lambda index: self.offsets[index][0]) - 1
        return (solid[first], solid[last]) if first <= last else None

    @cached_property
    def _solid(self) -> list[int]:
        """Tokens that are more than white space; once for all questions on the context."""
        return [index for index, (start, end) in enumerate(self.offsets) if start < end]


@dataclass(frozen=True)
class Answer:
    """Where an answer stands in its context: characters [start, end), white space trimmed.

    `repaired`: the row's own `answer_start` pointed elsewhere.
    """

    start: int
    end: int
    repaired: bool


def locate(context: str, text: str, start: int) -> Answer | None:
    """The answer where the row says it is, else at its nearest occurrence, else None.

    Public data sets have wrong starts (TyDiQA-GoldP on the hub: its contexts lost their leading
    white space and the starts were not moved).
    """
    wanted = text.strip()
    if not wanted:
        return None
    stated = start + len(text) - len(text.lstrip())
    if stated >= 0 and context.startswith(wanted, stated):
        return Answer(stated, stated + len(wanted), repaired=False)
    places = list(_occurrences(context, wanted))
    if not places:
        return None
    nearest = min(places, key=lambda place: abs(place - stated))
    return Answer(nearest, nearest + len(wanted), repaired=True)


def golds(row: Row) -> list[str]:
    """The accepted answers of a row in SQuAD's schema; none if the question is unanswerable."""
    return [str(text) for text in row["answers"]["text"]]


def first_answer(row: Row) -> Answer | None:
    """Where the first gold answer stands; None without one, or if the context lacks its text."""
    answers = row["answers"]
    if not answers["text"]:
        return None
    return locate(row["context"], answers["text"][0], answers["answer_start"][0])


class Windows:
    """Makes the windows of rows: tokenises questions and contexts at once, cuts them when asked."""

    def __init__(
        self,
        rows: Iterable[Row],
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        doc_stride: int,
        max_question_tokens: int = MAX_QUESTION_TOKENS,
    ) -> None:
        pairs = [(str(row["question"]).strip(), str(row["context"])) for row in rows]
        self._contexts = tokenise_contexts([context for _, context in pairs], tokenizer)
        self._before, self._between, self._after = special_tokens(tokenizer)
        self._room = max_length - len(self._before + self._between + self._after)
        cut = min(max_question_tokens, self._room // 2)
        self._questions = [ids[:cut] for ids in _token_ids(pairs, tokenizer)]
        self._texts = [context for _, context in pairs]
        self._stride = doc_stride

    def context(self, example: int) -> Context:
        return self._contexts[self._texts[example]]

    def labelled(self, example: int, answer: Answer | None) -> Iterator[Feature]:
        """For training: labels are the first and last token of the answer, or NULL."""
        context, head = self.context(example), self._head(example)
        span = None if answer is None else context.tokens_of(answer.start, answer.end)
        for start, end in self._cuts(example):
            ids = head + context.ids[start:end] + self._after
            yield Feature(example, ids, labels=_labels(span, start, end, len(head)))

    def unlabelled(self, example: int) -> Iterator[Feature]:
        """For evaluation: offsets are (0, 0) outside the context."""
        context, head = self.context(example), self._head(example)
        for start, end in self._cuts(example):
            ids = head + context.ids[start:end] + self._after
            outside = ((0, 0),)
            offsets = context.offsets[start:end]
            yield Feature(
                example,
                ids,
                offsets=outside * len(head) + offsets + outside * len(self._after),
            )

    def _head(self, example: int) -> tuple[int, ...]:
        return self._before + self._questions[example] + self._between

    def _cuts(self, example: int) -> list[tuple[int, int]]:
        size = self._room - len(self._questions[example])
        return cuts(len(self.context(example).ids), size, self._stride)


def cuts(total: int, size: int, stride: int) -> list[tuple[int, int]]:
    """[start, end) of each window over `total` tokens: the last one is the first to reach the end.

    At least one, which is empty if `total` is 0. No token is skipped, whatever the stride.
    """
    step = min(stride, size)
    count = 1 + max(0, -(-(total - size) // step))
    return [(k * step, min(total, k * step + size)) for k in range(count)]


def tokenise_contexts(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast
) -> dict[str, Context]:
    """Each distinct text's tokens with trimmed offsets."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return {}
    coded = tokenizer(
        distinct, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    space = _space_id(tokenizer)
    return {
        text: Context(text, tuple(ids), tuple(_trimmed(text, ids, offsets, space)))
        for text, ids, offsets in zip(
            distinct, coded["input_ids"], coded["offset_mapping"], strict=True
        )
    }


def special_tokens(
    tokenizer: PreTrainedTokenizerFast,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Ids that the tokenizer puts before, between and after a pair, read off a coded pair."""
    coded = tokenizer("a", "b")
    ids, sides = coded["input_ids"], coded.sequence_ids()
    first, last = sides.index(0), len(sides) - sides[::-1].index(1)
    between = [ids[k] for k in range(first, last) if sides[k] is None]
    return tuple(ids[:first]), tuple(between), tuple(ids[last:])


def _space_id(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """The id of SentencePiece's piece for a space alone; None where the tokenizer has none."""
    found = tokenizer.convert_tokens_to_ids(_SPACE_PIECE)
    return None if found == tokenizer.unk_token_id else cast(int, found)


def _trimmed(
    text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]], space: int | None
) -> Iterator[tuple[int, int]]:
    for token, (start, end) in zip(ids, offsets, strict=True):
        if token == space:  # at a text's start it claims the first character, which it is not
            yield (start, start)
            continue
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        yield (start, end)


def _token_ids(
    pairs: Sequence[tuple[str, str]], tokenizer: PreTrainedTokenizerFast
) -> list[tuple[int, ...]]:
    if not pairs:
        return []
    questions = [question for question, _ in pairs]
    coded = tokenizer(questions, add_special_tokens=False, verbose=False)
    return [tuple(ids) for ids in coded["input_ids"]]


def _labels(span: tuple[int, int] | None, start: int, end: int, shift: int) -> tuple[int, int]:
    if span is None or span[0] < start or span[1] >= end:
        return NULL
    return (span[0] - start + shift, span[1] - start + shift)


def _occurrences(context: str, wanted: str) -> Iterator[int]:
    place = context.find(wanted)
    while place >= 0:
        yield place
        place = context.find(wanted, place + 1)
