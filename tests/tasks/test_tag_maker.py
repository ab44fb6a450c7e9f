from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from xtl.tasks.family import Feature, FeatureSettings, Row
from xtl.tasks.tag_maker import MAKER, NO_WORD, tag_names, word_cuts, word_pieces

SETTINGS = FeatureSettings(max_length=256, doc_stride=128, labels=("NOUN", "PUNCT", "VERB"))

ROWS: dict[str, Row] = {
    "en": {"tokens": ["York", "rises", "."], "tags": ["NOUN", "VERB", "PUNCT"]},
    "th": {"tokens": ["แม่น้ำ", "ไหล", "ผ่าน"], "tags": ["NOUN", "VERB", "VERB"]},
    "zh": {"tokens": ["长江", "流入", "东海", "。"], "tags": ["NOUN", "VERB", "NOUN", "PUNCT"]},
    "ja": {"tokens": ["東京", "が", "ある"], "tags": ["NOUN", "PUNCT", "VERB"]},
    "fr": {"tokens": ["5 000", "km"], "tags": ["NOUN", "NOUN"]},
    "none": {
        "tokens": ["York", "\u200b", "\u3000", "."],
        "tags": ["NOUN", "VERB", "NOUN", "PUNCT"],
    },
}


def settings(length: int) -> FeatureSettings:
    return SETTINGS.model_copy(update={"max_length": length})


def begins(feature: Feature) -> list[int]:
    """The places of the tokens that a word begins with."""
    return [place for place, offset in enumerate(feature.offsets) if offset != NO_WORD]


@pytest.mark.parametrize("name", ROWS)
def test_each_word_s_first_piece_stands_for_it(
    name: str, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    row = ROWS[name]
    (feature,) = MAKER.evaluate_features([row], xlmr_tokenizer, SETTINGS)
    pieces = word_pieces(row["tokens"], xlmr_tokenizer)
    ids = [piece for word in row["tokens"] for piece in pieces[word]]
    assert feature.input_ids == (0, *ids, 2)
    places = begins(feature)
    assert [feature.offsets[place] for place in places] == [
        (number, number + 1) for number in range(len(row["tokens"]))
    ]
    ends = [*places[1:], len(feature.input_ids) - 1]
    found = [feature.input_ids[start:end] for start, end in zip(places, ends, strict=True)]
    assert found == [pieces[word] for word in row["tokens"]]


@pytest.mark.parametrize("name", ROWS)
def test_a_label_stands_at_the_first_piece_alone(
    name: str, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = [ROWS[name]]
    (evaluated,) = MAKER.evaluate_features(rows, xlmr_tokenizer, SETTINGS)
    (trained,) = MAKER.train_features(rows, xlmr_tokenizer, SETTINGS)
    assert trained.input_ids == evaluated.input_ids
    assert trained.offsets == ()
    assert evaluated.labels == ()
    numbers = [SETTINGS.labels.index(tag) for tag in rows[0]["tags"]]
    assert [trained.labels[place] for place in begins(evaluated)] == numbers
    others = set(range(len(trained.labels))) - set(begins(evaluated))
    assert {trained.labels[place] for place in others} == {-100}


@pytest.mark.parametrize("word", ["York", "rises", "แม่น้ำ", "長江", "。", "5 000", "n't", "½", "ﷺ"])
def test_words_by_themselves_are_cut_as_the_tokenizer_cuts_a_sentence_of_words(
    word: str, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    coded = xlmr_tokenizer([word, word], is_split_into_words=True, add_special_tokens=False)
    assert word_pieces([word], xlmr_tokenizer)[word] * 2 == tuple(coded["input_ids"])


@pytest.mark.parametrize("word", ["\u200b", "\ufeff", "\u3000"])
def test_a_word_that_becomes_nothing_is_unknown(
    word: str, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    assert word_pieces([word], xlmr_tokenizer) == {word: (xlmr_tokenizer.unk_token_id,)}


def test_a_word_without_a_piece_is_unknown(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer("", add_special_tokens=False)["input_ids"] == []
    assert word_pieces([""], tokenizer) == {"": (tokenizer.unk_token_id,)}


def test_a_long_sentence_is_cut_between_words_without_overlap(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    row = {"tokens": ["rises", "York", "miles"] * 5, "tags": ["VERB", "NOUN", "NOUN"] * 5}
    lengths = {len(pieces) for pieces in word_pieces(row["tokens"], tokenizer).values()}
    assert lengths == {1}
    features = MAKER.evaluate_features([row], tokenizer, settings(8))
    assert [len(feature.input_ids) for feature in features] == [8, 8, 5]
    numbers = [each.offsets[place][0] for each in features for place in begins(each)]
    assert numbers == list(range(15))
    for feature in features:
        assert (feature.input_ids[0], feature.input_ids[-1]) == (0, 2)


def test_a_word_s_pieces_stay_in_one_window(tokenizer: PreTrainedTokenizerFast) -> None:
    row = {"tokens": ["York", "Caspian", "York"], "tags": ["NOUN"] * 3}
    pieces = word_pieces(["Caspian"], tokenizer)["Caspian"]
    features = MAKER.evaluate_features([row], tokenizer, settings(len(pieces) + 2))
    assert features[1].input_ids == (0, *pieces, 2)
    assert [len(begins(feature)) for feature in features] == [1, 1, 1]


def test_a_word_that_no_window_holds_is_cut_and_tagged(tokenizer: PreTrainedTokenizerFast) -> None:
    row = {"tokens": ["York", "Caspian" * 9, "York"], "tags": ["NOUN", "VERB", "NOUN"]}
    features = MAKER.train_features([row], tokenizer, settings(12))
    assert [len(feature.input_ids) for feature in features] == [3, 12, 3]
    assert features[1].labels == (-100, 2, *[-100] * 10)


def test_a_tag_that_is_not_learned_has_no_label(tokenizer: PreTrainedTokenizerFast) -> None:
    row = {"tokens": ["York", "rises"], "tags": ["X", "VERB"]}
    (feature,) = MAKER.train_features([row], tokenizer, SETTINGS)
    assert feature.labels == (-100, -100, 2, -100)


def test_a_window_without_a_label_is_not_trained_on(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"tokens": ["York"], "tags": ["X"]}, {"tokens": ["York"], "tags": ["NOUN"]}]
    assert [each.example for each in MAKER.train_features(rows, tokenizer, SETTINGS)] == [1]
    assert [each.example for each in MAKER.evaluate_features(rows, tokenizer, SETTINGS)] == [0, 1]


@given(st.lists(st.integers(1, 7)))
def test_windows_hold_every_word_once_and_no_two_would_fit_in_one(lengths: list[int]) -> None:
    cuts = word_cuts(lengths, 7)
    assert [number for start, end in cuts for number in range(start, end)] == list(
        range(len(lengths))
    )
    filled = [sum(lengths[start:end]) for start, end in cuts]
    assert all(count <= 7 for count in filled)
    for (_, end), count in zip(cuts[:-1], filled[:-1], strict=True):
        assert count + lengths[end] > 7


def test_the_names_of_tags_are_those_of_the_rows_in_order() -> None:
    rows = Dataset.from_list([dict(row) for row in ROWS.values()])
    assert tag_names(rows) == ("NOUN", "PUNCT", "VERB")
    assert tag_names(rows.select([4])) == ("NOUN",)


def test_every_tag_of_real_sentences_is_named(hub: Path) -> None:
    from xtl.tasks.entries import DatasetRef
    from xtl.tasks.tables import read_table

    ref = DatasetRef("masakhane/masakhaner2", "swa", "train", "masakhaner")
    names = ["DATE", "LOC", "ORG", "PER"]
    expected = sorted(["O", *(f"{begin}-{name}" for begin in "BI" for name in names)])
    assert tag_names(read_table(hub / ref.repo, ref).rows) == tuple(expected)
