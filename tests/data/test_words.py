"""Words of any script, in the form in which passages are compared."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.data.words import Units, Vocabulary, words

SIGNS = " \n'[]12,-_.aAé’ʼ´\u00ad\u200b\u200c\u200d\ufe0f\u0301\u0345İßﬁ①ـَبক্ষో京กำが"  # noqa: RUF001
texts = st.one_of(st.text(max_size=30), st.text(st.sampled_from(SIGNS), max_size=30))


@pytest.mark.parametrize(
    "text",
    [
        *("Well-known", "well – known", "well—known", "WELL.Known", "well/known", "well_known"),
        *("well\u200bknown", "well\u00a0known", "well…known", "“well” (known)!"),
        "ｗｅｌｌ、known",  # noqa: RUF001
    ],
    ids=ascii,
)
def test_all_but_letters_marks_and_digits_separates(text: str) -> None:
    assert words(text) == ["well", "known"]


@pytest.mark.parametrize("apostrophe", "'’‘`´ʼʻ＇′", ids=ascii)  # noqa: RUF001
def test_apostrophes_of_every_shape_separate(apostrophe: str) -> None:
    assert words(f"I don{apostrophe}t") == ["i", "don", "t"]


@pytest.mark.parametrize(
    "text",
    [
        *("sea[12] side", "sea [12]side", "sea[1][2]side", "sea [ 1, 3–5 ] side"),
        *("sea［12］side", "sea[১২]side", "sea[\u200f12]side"),  # noqa: RUF001
    ],
    ids=ascii,
)
def test_the_numbers_of_citations_are_no_words(text: str) -> None:
    assert words(text) == ["sea", "side"]


def test_what_else_stands_in_brackets_is() -> None:
    assert words("[sic] in [a 12] (3) [4") == ["sic", "in", "a", "12", "3", "4"]


@pytest.mark.parametrize(
    "sign", "\u00ad\u200c\u200d\u200e\u2060\ufeff\u061c\ufe0f\U000e0100", ids=ascii
)
def test_format_characters_and_variation_selectors_vanish(sign: str) -> None:
    assert words(f"{sign}sea{sign}side {sign}") == ["seaside"]


@pytest.mark.parametrize("text", ["كِتَاب", "كتـــاب", "كتٰاب", "ﻛﺘﺎﺏ"], ids=ascii)
def test_arabic_is_compared_without_vowel_marks_tatweel_and_forms_of_letters(text: str) -> None:
    assert words(text) == ["كتاب"]


def test_arabic_letters_with_hamza_and_maddah_are_kept() -> None:
    assert words("سأل قرآن ئ") == ["سأل", "قرآن", "ئ"]
    assert words(unicodedata.normalize("NFD", "سأل قرآن ئ")) == words("سأل قرآن ئ")


@pytest.mark.parametrize("word", ["বাংলাদেশ", "ক্ষমতা", "తెలుగు", "క్షేత్రం", "हिन्दी", "தமிழ்", "עִבְרִית"])
def test_marks_of_other_scripts_belong_to_their_words(word: str) -> None:
    assert words(f"«{word}»") == [unicodedata.normalize("NFKC", word)]


def test_bengali_joiners_vanish_and_split_nothing() -> None:
    assert words("র‍্যাব") == words("র্যাব") == ["র্যাব"]
    assert words("ক্\u200cষ") == ["ক্ষ"]


def test_words_with_and_without_a_vowel_sign_differ() -> None:
    assert words("हिन्दी") != words("हिन्द")
    assert words("résumé") != words("resume")


@pytest.mark.parametrize(
    "text", ["", " ", "…!", "–", "[3]", "\u0301", "\u00a8 \u00b8", "\u200b", "❤\ufe0f"], ids=ascii
)
def test_there_are_texts_without_words(text: str) -> None:
    assert words(text) == []


def test_characters_of_unspaced_scripts_are_by_themselves() -> None:
    assert words("東京は、ＵＮの") == ["東", "京", "は", "un", "の"]
    assert words("か\u3099東・京") == ["が", "東", "京"]
    assert words("ไทย\u200bที่") == ["ไ", "ท", "ย", "ท", "ี", "่"]


def test_they_weigh_a_quarter_or_half_of_a_word() -> None:
    weights = Units.of(["word", "ก", "ពី", "京", "カナ", "word-ก京", ""], Vocabulary()).weights()
    assert weights.tolist() == [4, 1, 2, 2, 4, 7, 0]


@given(texts)
def test_words_are_in_their_form_already(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found


@given(texts)
def test_forms_of_unicode_make_no_difference(text: str) -> None:
    assert words(unicodedata.normalize("NFD", text)) == words(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_takes_no_other_way_than_all_text(text: str) -> None:
    assert words(f"{text} é") == [*words(text), "é"]
