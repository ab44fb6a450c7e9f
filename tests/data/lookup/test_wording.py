from __future__ import annotations

import unicodedata
from importlib import resources
from itertools import combinations

import pytest

from xtl.data.lookup import facts, wording
from xtl.data.lookup.facts import LANGUAGES, RELATIONS, Fact
from xtl.data.lookup.wording import ANSWER, PLACE

OTHERS = LANGUAGES[1:]


def all_phrases(language: str) -> list[tuple[str, str, str, str]]:
    """(group, relation, kind, phrase)"""
    return [
        (group, relation, kind, phrase)
        for group, relations in wording.load(language).groups.items()
        for relation, phrases in relations.items()
        for kind in ("statements", "questions")
        for phrase in getattr(phrases, kind)
    ]


def test_there_is_a_file_for_each_language_and_none_besides() -> None:
    files = resources.files("xtl.data.lookup").joinpath("wordings").iterdir()
    assert sorted(file.name for file in files) == sorted(f"{code}.json" for code in LANGUAGES)
    assert [wording.load(code).language for code in LANGUAGES] == list(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_each_relation_has_three_statements_and_five_questions_to_evaluate_with(
    language: str, relation: facts.Relation
) -> None:
    phrases = wording.load(language).phrases("evaluation", relation)
    assert len(phrases.statements) >= 3
    assert len(phrases.questions) >= 5


@pytest.mark.parametrize("relation", RELATIONS)
def test_english_has_many_wordings(relation: str) -> None:
    english = [entry for entry in all_phrases("en") if entry[1] == relation]
    assert sum(kind == "statements" for _, _, kind, _ in english) >= 8
    assert sum(kind == "questions" for _, _, kind, _ in english) >= 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_wording_is_used_twice_or_in_two_groups(language: str) -> None:
    phrases = [phrase.casefold().strip(" .?") for _, _, _, phrase in all_phrases(language)]
    assert len(set(phrases)) == len(phrases)


def test_the_pool_and_the_target_share_no_wording_with_what_comes_after() -> None:
    groups: dict[str, set[str]] = {group: set() for group in ("pool", "target", "evaluation")}
    for group, _, _, phrase in all_phrases("en"):
        groups[group].add(phrase)
    assert all(not groups[one] & groups[other] for one, other in combinations(groups, 2))
    assert "city" not in wording.load("en").groups["pool"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_phrases_are_clean_text(language: str) -> None:
    for *_, phrase in all_phrases(language):
        assert phrase == unicodedata.normalize("NFC", phrase).strip()
        assert "  " not in phrase
        bare = phrase.replace(PLACE, "").replace(ANSWER, "")
        assert not set(bare) & set("{}[]<>_"), phrase


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_in_the_language_s_script(language: str) -> None:
    script = facts.SCRIPTS.get(language, "LATIN")
    for *_, phrase in all_phrases(language):
        bare = phrase.replace(PLACE, "").replace(ANSWER, "")
        assert all(script in unicodedata.name(letter) for letter in bare if letter.isalpha()), bare


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_and_questions_end_as_the_language_ends_them(language: str) -> None:
    ends = {"hi": ("।", "?"), "bn": ("।", "?"), "ar": (".", "؟"), "th": ("", "")}
    full_stop, question_mark = ends.get(language, (".", "?"))
    for _, _, kind, phrase in all_phrases(language):
        if kind == "statements":
            assert phrase.endswith(full_stop), phrase
        elif not phrase.startswith(("Name ", "Назовите ", "Taja ", "اذكر ")):
            assert phrase.endswith(question_mark), phrase


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_stands_in_its_sentence_where_it_is_said_to(language: str) -> None:
    words = wording.load(language)
    groups = words.groups.values()
    for fact in facts.known_facts():
        for phrases in (group[fact.relation] for group in groups if fact.relation in group):
            for statement in phrases.statements:
                sentence, answer, start = words.state(statement, fact)
                assert sentence[start : start + len(answer)] == answer
                assert answer == facts.value(language, fact.relation, fact.value)
                assert words.place(fact.territory).lower() in sentence.lower()
                assert sentence[0] == sentence[0].upper()


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_place_with_an_article_still_has_its_name(language: str) -> None:
    for code, name in wording.load(language).places.items():
        known = facts.place(language, code)
        assert known is not None
        assert name.endswith(known)


def test_a_sentence_begins_with_a_capital_where_the_place_has_an_article() -> None:
    words = wording.load("en")
    sentence, _, _ = words.state("{place} pays with {answer}.", Fact("NL", "currency", "EUR"))
    assert sentence == "The Netherlands pays with Euro."
    assert words.ask("And {place}?", "NL") == "And the Netherlands?"


@pytest.mark.parametrize("broken", ["No slots.", "{place} and {place}: {answer}", "{answer} only"])
def test_a_phrase_with_the_wrong_slots_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"expected \{place\} once"):
        wording._phrases(statements=[broken], questions=[])
