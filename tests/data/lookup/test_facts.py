from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from xtl.data.lookup import facts
from xtl.data.lookup.facts import LANGUAGES, RELATIONS, SCRIPTS, Fact

KNOWN = facts.known_facts()


def test_well_known_facts_are_told_right() -> None:
    expected = {
        Fact("KE", "currency", "KES"), Fact("KE", "language", "sw"),
        Fact("KE", "city", "Africa/Nairobi"), Fact("TH", "language", "th"),
        Fact("AT", "currency", "EUR"), Fact("DE", "city", "Europe/Berlin"),
        Fact("RS", "language", "sr"),
    }  # fmt: skip
    assert expected <= set(KNOWN)


@pytest.mark.parametrize(
    ("language", "fact", "names"),
    [
        ("en", Fact("KE", "currency", "KES"), ("Kenya", "Kenyan Shilling")),
        ("de", Fact("AT", "city", "Europe/Vienna"), ("Österreich", "Wien")),
        ("sw", Fact("KE", "language", "sw"), ("Kenya", "Kiswahili")),
        ("hi", Fact("IN", "city", "Asia/Kolkata"), ("भारत", "कोलकाता")),
        ("th", Fact("TH", "currency", "THB"), ("ไทย", "บาท")),
        ("bn", Fact("BD", "language", "bn"), ("বাংলাদেশ", "বাংলা")),
    ],
)
def test_names_are_the_language_s_own(language: str, fact: Fact, names: tuple[str, str]) -> None:
    where = facts.place(language, fact.territory)
    assert (where, facts.value(language, fact.relation, fact.value)) == names


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_falls_back_to_a_code_or_to_another_script(language: str) -> None:
    script = SCRIPTS.get(language, "LATIN")
    for fact in KNOWN:
        for name in names_of(language, fact):
            letters = [letter for letter in name if letter.isalpha()]
            assert letters
            assert all(script in unicodedata.name(letter) for letter in letters), (fact, name)
            assert not set(name) & set("()[]0123456789/_"), (fact, name)
            assert name == unicodedata.normalize("NFC", name).strip(), (fact, name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_name_stands_for_one_thing_only(language: str) -> None:
    """Else a paragraph could hold the answer twice, or the question have two answers."""
    for relation in RELATIONS:
        codes = {fact.value for fact in KNOWN if fact.relation == relation}
        assert len({facts.value(language, relation, code) for code in codes}) == len(codes)
    territories = {fact.territory for fact in KNOWN}
    assert len({facts.place(language, code) for code in territories}) == len(territories)


def test_a_city_never_gives_itself_away_by_its_country_s_name() -> None:
    for fact in KNOWN:
        for language in LANGUAGES if fact.relation == "city" else ():
            where, what = names_of(language, fact)
            assert where not in what
            assert what not in where


def test_a_place_has_at_most_one_value_a_relation() -> None:
    counts = Counter((fact.territory, fact.relation) for fact in KNOWN)
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("seed", [0, 1, 2025])
def test_no_territory_is_on_both_sides_and_none_is_lost(seed: int) -> None:
    division = facts.divide(seed)
    training = {fact.territory for fact in division.training}
    evaluation = {fact.territory for fact in division.evaluation}
    assert not training & evaluation
    assert sorted([*division.training, *division.evaluation]) == list(KNOWN)
    assert 0.40 <= len(evaluation) / len(training | evaluation) <= 0.45


def test_another_seed_divides_otherwise() -> None:
    assert facts.divide(1).evaluation != facts.divide(2).evaluation
    assert facts.divide(1) == facts.divide(1)


def test_only_member_states_are_called_countries() -> None:
    members = set(facts.MEMBER_STATES.split())
    assert len(members) == 193
    assert {fact.territory for fact in KNOWN} <= members


def names_of(language: str, fact: Fact) -> tuple[str, str]:
    where = facts.place(language, fact.territory)
    what = facts.value(language, fact.relation, fact.value)
    assert where is not None
    assert what is not None
    return where, what
