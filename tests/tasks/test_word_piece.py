"""Span QA's windows with a WordPiece tokenizer, as BERT has it."""

from __future__ import annotations

import unicodedata

import pytest
from transformers import BertTokenizer

from tests.model.encoders import word_piece
from tests.tasks.records import PARAGRAPHS, ROWS, question
from xtl.tasks.span_features import Windows, first_answer, special_tokens, tokenise_contexts


def _is_without_marks(text: str) -> bool:
    """What drops accents drops the vowel signs of India and Thailand, too."""
    parts = unicodedata.normalize("NFD", text)
    return not any(unicodedata.category(character) == "Mn" for character in parts)


CASES = [(language, False) for language in PARAGRAPHS] + [
    (language, True)
    for language, (text, _) in PARAGRAPHS.items()
    if _is_without_marks(text) or text.isascii()
]


def tokenizer_of(lower: bool) -> BertTokenizer:
    """Of single characters: WordPiece knows no words inside a run of Thai letters."""
    texts = [context for context, _ in PARAGRAPHS.values()]
    return word_piece(texts, lower=lower, size=1)


@pytest.fixture(scope="module")
def tokenizers() -> dict[bool, BertTokenizer]:
    return {lower: tokenizer_of(lower) for lower in (False, True)}


@pytest.fixture(scope="module")
def tokenizer(tokenizers: dict[bool, BertTokenizer]) -> BertTokenizer:
    return tokenizers[False]


def test_a_pair_is_put_between_its_own_special_tokens(tokenizer: BertTokenizer) -> None:
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert special_tokens(tokenizer) == ((cls,), (sep,), (sep,))
    (window,) = Windows(
        [question("York is long", "", asked="Kenya?")], tokenizer, 128, 64
    ).unlabelled(0)
    assert list(window.input_ids) == tokenizer("Kenya?", "York is long")["input_ids"]


@pytest.mark.parametrize(("language", "lower"), CASES)
def test_offsets_cut_the_very_answer_out_of_the_context(
    language: str, lower: bool, tokenizers: dict[bool, BertTokenizer]
) -> None:
    row, answer = ROWS[language], first_answer(ROWS[language])
    assert answer is not None
    windows = Windows([row], tokenizers[lower], max_length=256, doc_stride=64)
    (labelled,), (plain,) = windows.labelled(0, answer), windows.unlabelled(0)
    first, last = labelled.labels
    cut = row["context"][plain.offsets[first][0] : plain.offsets[last][1]]
    assert cut == PARAGRAPHS[language][1]


@pytest.mark.parametrize(("language", "lower"), CASES)
def test_offsets_leave_out_nothing_but_white_space(
    language: str, lower: bool, tokenizers: dict[bool, BertTokenizer]
) -> None:
    text = PARAGRAPHS[language][0]
    offsets = tokenise_contexts([text], tokenizers[lower])[text].offsets
    covered = {k for start, end in offsets for k in range(start, end)}
    missing = "".join(character for k, character in enumerate(text) if k not in covered)
    assert not missing.strip()


def test_lower_case_and_accents_that_are_dropped_move_no_offset() -> None:
    text = "\u00c9lan \u0130zmir  e\u0301t\u00e9, x"
    tokenizer = word_piece([text], lower=True)
    context = tokenise_contexts([text], tokenizer)[text]
    place = text.index("x")
    span = context.tokens_of(place, place + 1)
    assert span is not None
    assert context.offsets[span[0]] == (place, place + 1)


def test_an_unknown_word_is_one_token_over_all_of_it(tokenizer: BertTokenizer) -> None:
    text = "York \u2603\u2603 is"
    context = tokenise_contexts([text], tokenizer)[text]
    span = context.tokens_of(5, 7)
    assert span is not None
    assert context.ids[span[0]] == tokenizer.unk_token_id
    assert context.offsets[span[0]] == (5, 7)
