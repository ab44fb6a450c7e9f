"""The shuffled-label control: what it keeps, and what it takes away."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from xtl.data.controls import shuffle_labels
from xtl.data.subsets import row_digests

Row = dict[str, Any]

pairs = st.fixed_dictionaries({"sentence1": st.text(max_size=4), "label": st.integers(0, 2)})
sentences = st.lists(st.sampled_from(["DET", "NOUN", "VERB"]), max_size=6).flatmap(
    lambda tags: st.fixed_dictionaries(
        {
            "tokens": st.lists(st.text(max_size=2), min_size=len(tags), max_size=len(tags)),
            "tags": st.just(tags),
        }
    )
)
choices = st.lists(st.text(max_size=3), min_size=2, max_size=4).flatmap(
    lambda texts: st.fixed_dictionaries(
        {
            "prompt": st.text(max_size=3),
            "choices": st.just(texts),
            "label": st.integers(0, len(texts) - 1),
        }
    )
)
WORDS = ["Lima", "is", "in", "Peru,", "and", "東京は", "日本", "กรุงเทพ", "\n", "2024", "—", "…"]
questions = st.tuples(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join),
    st.integers(0, 99),
    st.integers(1, 12),
    st.booleans(),
).map(lambda drawn: question(*drawn))
pools = st.one_of(*(st.lists(row, max_size=12) for row in (pairs, sentences, choices, questions)))
seeds = st.integers(0, 2**32)


def question(context: str, place: int, length: int, answerable: bool) -> Row:
    start = place % len(context)
    golds = [context[start : start + length]] if answerable else []
    answers = {"text": golds, "answer_start": [start for _ in golds]}
    return {"context": context, "question": f"{place}?", "answers": answers}


def shuffled(rows: list[Row], seed: int = 1) -> list[Row]:
    return [{**row} for row in shuffle_labels(rows, row_digests(rows), seed)]


def in_one_form(row: Row) -> str:
    return json.dumps(row, sort_keys=True)


def without(row: Row) -> Row:
    return {key: row[key] for key in row if key not in {"label", "tags", "answers"}}


@given(pools, seeds)
def test_inputs_stay_as_they_are_where_they_are(rows: list[Row], seed: int) -> None:
    dealt = shuffled(rows, seed)
    assert [without(row) for row in dealt] == [without(row) for row in rows]
    assert [[*row] for row in dealt] == [[*row] for row in rows]


@given(pools, seeds, st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_say(rows: list[Row], seed: int, draw: random.Random) -> None:
    reordered = draw.sample(rows, len(rows))
    one, other = shuffled(rows, seed), shuffled(reordered, seed)
    assert sorted(map(in_one_form, one)) == sorted(map(in_one_form, other))


@given(st.lists(pairs, max_size=20), seeds)
def test_each_label_stands_as_often_as_before(rows: list[Row], seed: int) -> None:
    dealt = shuffled(rows, seed)
    assert Counter(row["label"] for row in dealt) == Counter(row["label"] for row in rows)


@given(st.lists(choices, max_size=20), seeds)
def test_each_place_is_as_often_right_among_rows_with_as_many_choices(
    rows: list[Row], seed: int
) -> None:
    before, after = (
        Counter((len(row["choices"]), row["label"]) for row in pool)
        for pool in (rows, shuffled(rows, seed))
    )
    assert before == after


@given(st.lists(sentences, max_size=12), seeds)
def test_each_tag_stands_as_often_as_before_and_each_word_has_one(
    rows: list[Row], seed: int
) -> None:
    dealt = shuffled(rows, seed)
    assert [len(row["tags"]) for row in dealt] == [len(row["tokens"]) for row in rows]
    before, after = (Counter(tag for row in pool for tag in row["tags"]) for pool in (rows, dealt))
    assert before == after


@given(st.lists(questions, max_size=6), seeds)
def test_an_answer_is_a_span_of_its_context(rows: list[Row], seed: int) -> None:
    for row, dealt in zip(rows, shuffled(rows, seed), strict=True):
        answers = dealt["answers"]
        assert len(answers["text"]) == len(answers["answer_start"]) == len(row["answers"]["text"])
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            assert dealt["context"][start : start + len(text)] == text


def test_an_unanswerable_question_stays_so() -> None:
    rows = [question("Lima is in Peru", place, 4, answerable=place % 2 == 0) for place in range(20)]
    answerable = [bool(row["answers"]["text"]) for row in shuffled(rows)]
    assert answerable == [place % 2 == 0 for place in range(20)]


CONTEXT = "Lima, the capital of Peru, lies on the coast."


@pytest.mark.parametrize(
    ("gold", "words"), [("Lima", 1), ("the capital of Peru", 4), ("eru, lie", 2), (CONTEXT, 9)]
)
def test_an_answer_has_as_many_words_as_the_gold_one(gold: str, words: int) -> None:
    answer = {"text": [gold], "answer_start": [CONTEXT.index(gold)]}
    rows = [
        {"id": str(k), "context": CONTEXT, "question": "?", "answers": answer} for k in range(300)
    ]
    texts = {row["answers"]["text"][0] for row in shuffled(rows)}
    parts = CONTEXT.split()
    assert texts == {" ".join(parts[k : k + words]) for k in range(10 - words)}


def test_an_answer_without_spaces_has_as_many_characters_as_the_gold_one() -> None:
    context = "東京は日本の首都です。"
    answer = {"text": ["日本"], "answer_start": [3]}
    rows = [
        {"id": str(k), "context": context, "question": "?", "answers": answer} for k in range(200)
    ]
    texts = {row["answers"]["text"][0] for row in shuffled(rows)}
    assert texts == {context[k : k + 2] for k in range(len(context) - 2)}  # not the full stop


def test_an_answer_begins_and_ends_with_a_word() -> None:
    answer = {"text": ["Lima"], "answer_start": [2]}
    row = {"context": "— Lima ! — Cusco …", "question": "?", "answers": answer}
    rows = [{"id": str(k), **row} for k in range(50)]
    assert {row["answers"]["text"][0] for row in shuffled(rows)} == {"Lima", "Cusco"}


def test_the_first_of_several_gold_answers_is_the_measure() -> None:
    answers = {"text": ["of Peru", "Peru"], "answer_start": [18, 21]}
    (row,) = shuffled([{"context": CONTEXT, "question": "?", "answers": answers}])
    assert len(row["answers"]["text"]) == 1
    assert len(row["answers"]["text"][0].split()) == 2


def many() -> list[Row]:
    return [{"sentence1": str(number), "label": number % 3} for number in range(3000)]


def test_labels_have_nothing_to_do_with_inputs_any_more() -> None:
    rows = many()
    met = Counter(
        (row["label"], new["label"]) for row, new in zip(rows, shuffled(rows), strict=True)
    )
    assert len(met) == 9
    assert all(abs(count - 3000 / 9) < 60 for count in met.values())  # over four deviations


def test_tags_have_nothing_to_do_with_words_or_sentences_any_more() -> None:
    rows = [
        {"tokens": [str(k)] * 3, "tags": ["NOUN" if k % 2 else "VERB"] * 3} for k in range(1000)
    ]
    dealt = shuffled(rows)
    met = Counter(
        (row["tags"][0], tag) for row, new in zip(rows, dealt, strict=True) for tag in new["tags"]
    )
    assert all(abs(met[pair] - 750) < 80 for pair in [("NOUN", "NOUN"), ("VERB", "VERB")])
    assert any(len({*row["tags"]}) == 2 for row in dealt)


def test_the_right_choice_has_nothing_to_do_with_the_choices_any_more() -> None:
    rows = [{"prompt": str(k), "choices": ["x"] * (2 + k % 2), "label": k % 2} for k in range(2000)]
    assert shuffled(rows) == rows  # each number of choices has one label alone: nothing to deal
    rows = [{"prompt": str(k), "choices": ["x"] * 4, "label": k % 4} for k in range(2000)]
    same = sum(row == new for row, new in zip(rows, shuffled(rows), strict=True))
    assert abs(same - 500) < 80


def test_the_same_seed_deals_alike_and_another_one_otherwise() -> None:
    rows = many()
    assert shuffled(rows, 1) == shuffled(rows, 1)
    same = sum(one == two for one, two in zip(shuffled(rows, 1), shuffled(rows, 2), strict=True))
    assert abs(same - 1000) < 110


def test_dealt_labels_stay_what_they_were() -> None:
    rows = many()[:12]
    assert [row["label"] for row in shuffled(rows, 5)] == [0, 1, 2, 0, 1, 0, 2, 0, 1, 2, 2, 1]
    spans = [question(CONTEXT, place, 8, answerable=True) for place in range(4)]
    assert [row["answers"]["answer_start"][0] for row in shuffled(spans, 5)] == [18, 21, 10, 0]


def test_rows_without_anything_to_shuffle_are_refused() -> None:
    with pytest.raises(ValueError, match="found columns text, expected context and answers"):
        shuffled([{"text": "no label"}])


def test_a_digest_is_wanted_for_each_row() -> None:
    with pytest.raises(ValueError, match="found 2 digests for 3 rows"):
        shuffle_labels(many()[:3], row_digests(many()[:2]), 1)


def test_real_answers_become_real_spans_of_as_many_words(hub: Path) -> None:
    (file,) = (hub / "xtl/squad-dev-minus-xquad/plain_text").glob("train-*.parquet")
    rows: list[Row] = parquet.read_table(file).to_pylist()
    dealt = shuffled(rows)
    golds, spans = ([row["answers"]["text"][0] for row in pool] for pool in (rows, dealt))
    others = [(g, s) for g, s in zip(golds, spans, strict=True) if len(g.split()) != len(s.split())]
    assert len(others) < 0.03 * len(rows)  # where there are lone dashes, or Chinese names
    assert sum(gold == span for gold, span in zip(golds, spans, strict=True)) < 0.03 * len(rows)
