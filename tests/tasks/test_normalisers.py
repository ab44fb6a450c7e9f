"""MLQA's rules, each language's by hand and with the quirks of its script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.errors import UserError
from xtl.tasks.normalisers import MLQA_ARTICLES, normalise_mlqa

languages = st.sampled_from(list(MLQA_ARTICLES))


@pytest.mark.parametrize(
    ("language", "text", "normalised"),
    [
        ("en", "The Rhine, an  “old” river!", "rhine old river"),
        ("es", "¿Unas de las Casas del Sol?", "de casas del sol"),
        ("de", "Der Rhein – einer der Flüsse", "rhein flüsse"),
        ("vi", "Những con sông của Việt Nam", "con sông việt nam"),
        ("hi", "हिमालय। (पर्वत)", "हिमालय पर्वत"),
        ("ar", "النيل، الأزرق؟", "نيل أزرق"),
        ("zh", "《青海》，共 12 县", "青 海 共 12 县"),  # noqa: RUF001
    ],
)
def test_articles_and_punctuation_go_in_each_language(
    language: str, text: str, normalised: str
) -> None:
    assert normalise_mlqa(text, language) == normalised


@pytest.mark.parametrize("language", MLQA_ARTICLES)
def test_articles_of_another_language_stay(language: str) -> None:
    others = {"en": "el der", "es": "the der", "de": "the el"}
    text = others.get(language, "the el der")
    assert normalise_mlqa(text, language) == text


def test_arabic_articles_go_inside_words_too() -> None:
    """Of the script's pattern, the half that looks for the beginning of a word never matches."""
    assert normalise_mlqa("خيال واسع", "ar") == "خي واسع"
    assert normalise_mlqa("بالقاهرة", "ar") == "ب قاهرة"


def test_chinese_characters_are_cut_apart_as_far_as_u_9fa5() -> None:
    assert normalise_mlqa("\u9fa5\u9fa5", "zh") == "\u9fa5 \u9fa5"
    assert normalise_mlqa("\u9fa6\u9fa6", "zh") == "\u9fa6\u9fa6"
    assert normalise_mlqa("カナ", "zh") == "カナ"


def test_white_space_between_chinese_characters_does_not_count() -> None:
    assert normalise_mlqa("青 海", "zh") == normalise_mlqa("青海", "zh")


def test_ascii_symbols_go_and_other_currency_signs_stay() -> None:
    assert normalise_mlqa("$5 €5 £5", "en") == "5 €5 £5"


def test_a_vietnamese_article_in_another_unicode_form_stays() -> None:
    assert normalise_mlqa("là", "vi") == ""
    assert normalise_mlqa(unicodedata.normalize("NFD", "là"), "vi") != ""


def test_a_language_that_mlqa_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="found language 'bn', expected one of en, es, hi"):
        normalise_mlqa("ঢাকা", "bn")


@given(st.text(), languages)
def test_what_is_left_has_single_spaces_and_no_punctuation(text: str, language: str) -> None:
    left = normalise_mlqa(text, language)
    assert left == " ".join(left.split())
    assert not any(unicodedata.category(character)[0] == "P" for character in left)
