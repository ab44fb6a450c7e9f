from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.data.lookup import facts
from xtl.data.lookup.compose import Composer, Outline, example, sentence
from xtl.data.lookup.facts import LANGUAGES

FACTS = facts.divide(seed=1).evaluation

outlines = st.builds(
    lambda seed, fact, answerable: Composer(FACTS, random.Random(seed)).outline(
        f"outline-{seed}", fact, answerable
    ),
    st.integers(0, 10_000),
    st.sampled_from(FACTS),
    st.booleans(),
)


@settings(max_examples=200)
@given(outlines)
def test_a_paragraph_states_three_to_five_different_facts(outline: Outline) -> None:
    assert 3 <= len(outline.stated) <= 5
    assert len(set(outline.stated)) == len(outline.stated)


@settings(max_examples=200)
@given(outlines)
def test_there_are_rivals_for_the_answer_and_for_the_place(outline: Outline) -> None:
    same_kind = [fact for fact in outline.stated if fact.relation == outline.asked.relation]
    assert len(same_kind) >= (2 if len(outline.stated) == 3 else 3)
    assert len({fact.territory for fact in outline.stated}) >= 2


@settings(max_examples=200)
@given(outlines)
def test_no_value_is_stated_twice_in_one_relation(outline: Outline) -> None:
    values = Counter((fact.relation, fact.value) for fact in outline.stated)
    assert max(values.values()) == 1


@settings(max_examples=200)
@given(outlines)
def test_a_question_without_an_answer_has_none(outline: Outline) -> None:
    """The place's relation is not stated, nor is the true value of any other place."""
    asked = outline.asked
    stated = [fact for fact in outline.stated if fact.relation == asked.relation]
    about = [fact for fact in stated if fact.territory == asked.territory]
    assert about == ([asked] if outline.answerable else [])
    if not outline.answerable:
        assert asked.value not in {fact.value for fact in stated}


@settings(max_examples=60)
@given(outlines, st.sampled_from(LANGUAGES))
def test_the_span_is_the_answer_in_every_language(outline: Outline, language: str) -> None:
    row = example(outline, language, "evaluation", seed=3)
    answers = row["answers"]
    if not outline.answerable:
        assert answers == {"text": [], "answer_start": []}
        return
    ((text,), (start,)) = answers["text"], answers["answer_start"]
    assert row["context"][start : start + len(text)] == text
    assert text == facts.value(language, outline.asked.relation, outline.asked.value)


@settings(max_examples=60)
@given(outlines, st.sampled_from(LANGUAGES))
def test_facts_are_stated_in_the_outline_s_order(outline: Outline, language: str) -> None:
    context = example(outline, language, "evaluation", seed=3)["context"]
    position = 0
    for fact in outline.stated:
        what = facts.value(language, fact.relation, fact.value)
        where = facts.place(language, fact.territory)
        places = [context.find(str(name), position) for name in (what, where)]
        assert min(places) >= 0, (fact, context[position:])
        position = min(places) + 1


def test_the_answer_is_now_first_now_last() -> None:
    composer = Composer(FACTS, random.Random(5))
    asked = next(fact for fact in FACTS if fact.relation == "city")
    places = Counter(composer.outline("x", asked, True).stated.index(asked) for _ in range(200))
    assert {0, 1, 2} <= set(places)
    assert max(places.values()) < 120


def test_an_outline_is_told_alike_each_time_and_otherwise_with_another_seed() -> None:
    outline = Composer(FACTS, random.Random(0)).outline("x", FACTS[0], True)
    first = example(outline, "en", "evaluation", seed=1)
    assert example(outline, "en", "evaluation", seed=1) == first
    assert any(example(outline, "en", "evaluation", seed=seed) != first for seed in range(2, 12))


def test_an_aligned_sentence_does_not_depend_on_the_language_beside_it() -> None:
    assert sentence(FACTS[0], "en", seed=1) == sentence(FACTS[0], "en", seed=1)
    assert len({sentence(FACTS[0], language, seed=1) for language in LANGUAGES}) == len(LANGUAGES)
