from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tests.tasks.records import PARAGRAPHS, ROWS, question
from xtl.tasks.family import Feature
from xtl.tasks.span_features import (
    NULL,
    Context,
    Windows,
    cuts,
    first_answer,
    locate,
    tokenise_contexts,
)

LONG = " ".join(f"{name} has {number} fish." for number, name in enumerate("abcdefghijklmnop", 10))


def windows_of(
    text: str, asked: str, tokenizer: PreTrainedTokenizerFast, max_length: int, stride: int
) -> list[Feature]:
    rows = [question(text, "", asked=asked)]
    return list(Windows(rows, tokenizer, max_length, stride).unlabelled(0))


def context_of(text: str, tokenizer: PreTrainedTokenizerFast) -> Context:
    return tokenise_contexts([text], tokenizer)[text]


@pytest.mark.parametrize("language", PARAGRAPHS)
def test_offsets_cut_the_very_answer_out_of_the_context(
    language: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    row = ROWS[language]
    windows = Windows([row], tokenizer, max_length=128, doc_stride=64)
    answer = first_answer(row)
    assert answer is not None
    (labelled,), (plain,) = windows.labelled(0, answer), windows.unlabelled(0)
    first, last = labelled.labels
    assert (
        row["context"][plain.offsets[first][0] : plain.offsets[last][1]] == PARAGRAPHS[language][1]
    )


@pytest.mark.parametrize("language", PARAGRAPHS)
def test_offsets_leave_out_nothing_but_white_space(
    language: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    text = PARAGRAPHS[language][0]
    covered = {k for start, end in context_of(text, tokenizer).offsets for k in range(start, end)}
    missing = [character for k, character in enumerate(text) if k not in covered]
    assert not "".join(missing).strip()
    assert not any(text[k].isspace() for k in covered)


def test_a_space_piece_before_the_first_character_claims_none_of_it(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    context = context_of("长江全长", tokenizer)
    assert context.offsets == ((0, 0), (0, 1), (1, 2), (2, 3), (3, 4))
    assert context.tokens_of(0, 2) == (1, 2)


def test_spaces_belong_to_no_token(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "  York   is\u00a0long "
    context = context_of(text, tokenizer)
    assert "".join(text[start:end] for start, end in context.offsets) == "Yorkislong"


def test_a_character_that_is_read_as_several_is_covered_by_all_of_them(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    # NFKC makes three full stops of the ellipsis.
    context = context_of("York… km", tokenizer)
    span = context.tokens_of(4, 5)
    assert span is not None
    assert {context.offsets[k] for k in range(span[0], span[1] + 1)} == {(4, 5)}
    assert span[1] - span[0] == 2


def test_an_answer_inside_a_token_is_answered_by_the_whole_token(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    context = context_of("km is 52", tokenizer)  # "▁km" is one piece
    span = context.tokens_of(1, 2)
    assert span is not None
    assert context.offsets[span[0]] == context.offsets[span[1]] == (0, 2)


def test_characters_without_a_token_have_no_span(tokenizer: PreTrainedTokenizerFast) -> None:
    assert context_of("York   is", tokenizer).tokens_of(5, 6) is None


def test_a_window_is_the_question_then_a_part_of_the_context(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    (window,) = windows_of("York is long", "Kenya?", tokenizer, 128, 64)
    assert window.input_ids == tuple(tokenizer("Kenya?", "York is long")["input_ids"])
    asked = len(tokenizer("Kenya?")["input_ids"]) + 1
    assert set(window.offsets[:asked]) == {(0, 0)}
    assert window.offsets[-1] == (0, 0)


def test_windows_are_full_and_start_a_stride_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = context_of(LONG, tokenizer).ids
    made = windows_of(LONG, "York", tokenizer, 40, 10)
    assert [len(window.input_ids) for window in made[:-1]] == [40] * (len(made) - 1)
    asked = len(tokenizer("York")["input_ids"]) + 1
    for number, window in enumerate(made):
        part = window.input_ids[asked:-1]
        assert part == ids[10 * number :][: len(part)]
    assert made[-1].input_ids[asked:-1][-1] == ids[-1]


def test_an_answer_outside_a_window_is_labelled_null(tokenizer: PreTrainedTokenizerFast) -> None:
    row = question(LONG, "25 fish", asked="York")
    windows = Windows([row], tokenizer, max_length=40, doc_stride=10)
    labels = [each.labels for each in windows.labelled(0, first_answer(row))]
    assert labels[0] == NULL
    assert labels[-1] != NULL


def test_an_answer_across_the_edge_of_a_window_is_labelled_null(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    ids = context_of(LONG, tokenizer)
    size = 40 - len(tokenizer("York")["input_ids"]) - 2
    edge = ids.offsets[size - 1][0]
    row = question(LONG, LONG[edge : edge + 4], asked="York", start=edge)
    windows = Windows([row], tokenizer, max_length=40, doc_stride=size)
    first, second, *_ = (each.labels for each in windows.labelled(0, first_answer(row)))
    assert (first, second) == (NULL, NULL)


def test_an_unanswerable_question_is_labelled_null_everywhere(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    windows = Windows([question(LONG, "")], tokenizer, max_length=40, doc_stride=10)
    assert {each.labels for each in windows.labelled(0, None)} == {NULL}


def test_a_long_question_leaves_half_of_the_window_to_the_context(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    made = windows_of("York is long", "why " * 200, tokenizer, 64, 16)
    assert max(len(window.input_ids) for window in made) <= 64
    made = windows_of(LONG, "why " * 200, tokenizer, 384, 128)
    assert made[0].input_ids.index(tokenizer.sep_token_id) == 1 + 64


def test_an_empty_context_gives_one_window(tokenizer: PreTrainedTokenizerFast) -> None:
    (window,) = windows_of("", "York?", tokenizer, 64, 16)
    assert set(window.offsets) == {(0, 0)}


@given(st.integers(0, 300), st.integers(1, 80), st.integers(1, 100))
def test_windows_cover_every_token_and_none_follows_one_that_reached_the_end(
    total: int, size: int, stride: int
) -> None:
    made = cuts(total, size, stride)
    assert {k for start, end in made for k in range(start, end)} == set(range(total))
    assert all(end - start == min(size, total) for start, end in made[:-1])
    assert all(end < total for _, end in made[:-1])
    assert made[-1][1] == total


def test_an_answer_is_found_where_the_row_says() -> None:
    answer = locate("a York and York", "York", 11)
    assert answer is not None
    assert (answer.start, answer.end, answer.repaired) == (11, 15, False)


def test_a_wrong_start_is_mended_by_the_nearest_occurrence() -> None:
    answer = locate("York and York and York", "York", 8)
    assert answer is not None
    assert (answer.start, answer.end, answer.repaired) == (9, 13, True)


@pytest.mark.parametrize("start", [-5, 400])
def test_a_start_outside_the_context_is_mended(start: int) -> None:
    answer = locate("in York", "York", start)
    assert answer is not None
    assert (answer.start, answer.repaired) == (3, True)


def test_white_space_around_an_answer_is_no_part_of_it() -> None:
    answer = locate("in York now", " York ", 2)
    assert answer is not None
    assert (answer.start, answer.end, answer.repaired) == (3, 7, False)


@pytest.mark.parametrize("text", ["Leeds", "", "  "])
def test_an_answer_that_the_context_lacks_is_not_found(text: str) -> None:
    assert locate("in York", text, 0) is None


@given(st.text(max_size=40), st.text(max_size=10), st.integers(-5, 50))
def test_what_is_found_is_the_answer(context: str, text: str, start: int) -> None:
    answer = locate(context, text, start)
    if answer is None:
        assert not text.strip() or text.strip() not in context
    else:
        assert context[answer.start : answer.end] == text.strip()
