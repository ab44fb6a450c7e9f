"""Chunk F1 against seqeval itself, and bare tags against the rule of the one that XTREME used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score

from xtl.tasks.forms import NAMES, UPOS
from xtl.tasks.tag_metrics import are_bare, chunks, tag_counts, tag_scores

Tags = list[str]
Pairs = list[tuple[Tags, Tags]]


def scored(pairs: Pairs, *, bare: bool) -> dict[str, float]:
    """Of (gold, said) sentences."""
    return tag_scores(tag_counts(*pair, bare=bare) for pair in pairs)


def sentences(tags: Sequence[str]) -> st.SearchStrategy[Pairs]:
    pairs = st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(tags)), min_size=1)
    sentence = pairs.map(lambda both: ([gold for gold, _ in both], [said for _, said in both]))
    return st.lists(sentence, min_size=1, max_size=5)


# -- the oracle: seqeval 0.0.12's published rule (its metrics/sequence_labeling.py), restated ------
def chunks_of_2019(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """A tag is its first letter and what follows its last hyphen; the rest is conlleval's."""
    found = []
    before, kind_before, start = "O", "", 0
    for place, tag in enumerate([*tags, "O"]):
        letter, kind = tag[0], tag.split("-")[-1]
        if ends(before, letter) or (before not in "O." and kind != kind_before):
            found.append((kind_before, start, place - 1))
        if begins(before, letter) or (letter not in "O." and kind != kind_before):
            start = place
        before, kind_before = letter, kind
    return found


def ends(before: str, letter: str) -> bool:
    return before in "ES" or (before in "BI" and letter in "BSO")


def begins(before: str, letter: str) -> bool:
    return letter in "BS" or (before in "ESO" and letter in "EI")


def f1_of_2019(pairs: Pairs) -> float:
    """Over all sentences in a row, an O after each, as it did it."""
    gold = set(chunks_of_2019([tag for one, _ in pairs for tag in [*one, "O"]]))
    said = set(chunks_of_2019([tag for _, one in pairs for tag in [*one, "O"]]))
    return 200 * len(gold & said) / (len(gold) + len(said)) if gold or said else 0.0


def today(pairs: Pairs) -> float:
    """The F1 of the seqeval that is installed, in percent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score: float = f1_score([gold for gold, _ in pairs], [said for _, said in pairs])
    return 100 * score


@settings(max_examples=200, deadline=None)
@given(sentences((*NAMES, "B-DATE", "I-DATE")))
def test_names_are_scored_as_seqeval_scores_them(pairs: Pairs) -> None:
    assert scored(pairs, bare=False)["f1"] == pytest.approx(today(pairs), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(sentences(UPOS))
def test_parts_of_speech_are_scored_as_xtreme_s_seqeval_scored_them(pairs: Pairs) -> None:
    assert scored(pairs, bare=True)["f1"] == pytest.approx(f1_of_2019(pairs), abs=1e-9)


SUPERTAGS = (
    "N",
    "NP",
    "NP[nb]/N",
    "S[dcl]\\NP",
    "(S\\NP)\\(S\\NP)",
    ".",
    ",",
    "conj",
    "NP-Q",
    "N-Q",
)


@settings(max_examples=200, deadline=None)
@given(sentences(SUPERTAGS))
def test_supertags_are_scored_by_the_same_rule(pairs: Pairs) -> None:
    assert scored(pairs, bare=True)["f1"] == pytest.approx(f1_of_2019(pairs), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(sentences(UPOS), st.booleans())
def test_scores_keep_their_bounds_and_do_not_mind_the_order(pairs: Pairs, swapped: bool) -> None:
    scores = scored(pairs, bare=True)
    assert all(0 <= score <= 100 for score in scores.values())
    assert scored(pairs[::-1], bare=True) == scores
    assert scored([(said, gold) for gold, said in pairs], bare=True) == scores
    assert set(scored([(gold, gold) for gold, _ in pairs], bare=True).values()) == {100.0}


def test_bare_tags_worked_by_hand() -> None:
    """DET, NOUN NOUN, VERB against DET, NOUN, VERB VERB: the DET alone is right, of 3 and 3."""
    gold, said = ["DET", "NOUN", "NOUN", "VERB"], ["DET", "NOUN", "VERB", "VERB"]
    assert chunks(gold, bare=True) == {("DET", 0, 0), ("NOUN", 1, 2), ("VERB", 3, 3)}
    assert tag_counts(gold, said, bare=True) == {
        "gold_chunks": 3, "said_chunks": 3, "right_chunks": 1, "words": 4, "right_words": 3,
    }  # fmt: skip
    scores = scored([(gold, said)], bare=True)
    assert scores == {"f1": pytest.approx(100 / 3), "token_accuracy": 75.0}


def test_tags_that_differ_in_their_first_letter_are_not_one() -> None:
    """Today's seqeval reads both as CONJ, and finds the answer right."""
    pairs = [(["CCONJ", "NOUN"], ["SCONJ", "NOUN"])]
    assert scored(pairs, bare=True)["f1"] == 50
    assert today(pairs) == 100


def test_each_tag_with_s_is_a_chunk_by_itself() -> None:
    """S is a single word's prefix to seqeval; SCONJ and SYM happen to begin with it."""
    assert chunks(["SCONJ", "SCONJ", "SYM"], bare=True) == {
        ("SCONJ", 0, 0),
        ("SCONJ", 1, 1),
        ("SYM", 2, 2),
    }
    assert chunks(["X", "X", "INTJ", "INTJ"], bare=True) == {("X", 0, 1), ("INTJ", 2, 3)}


def test_a_full_stop_s_category_is_no_chunk() -> None:
    """CCGbank's `.`, which conlleval takes for outside; the word counts for token accuracy."""
    assert chunks(["NP", "."], bare=True) == {("NP", 0, 0)}
    assert scored([(["NP", "."], ["NP", ","])], bare=True)["token_accuracy"] == 50


def test_names_worked_by_hand() -> None:
    """Two gold names; of three said one is right: 2 · 1 / (2 + 3)."""
    gold = ["B-PER", "I-PER", "O", "B-LOC", "O"]
    said = ["B-PER", "I-PER", "O", "B-ORG", "B-LOC"]
    assert scored([(gold, said)], bare=False) == {"f1": 40.0, "token_accuracy": 60.0}


def test_a_name_that_begins_with_i_is_one_as_conlleval_has_it() -> None:
    assert chunks(["I-PER", "I-PER", "I-LOC"], bare=False) == {("PER", 0, 1), ("LOC", 2, 2)}


def test_the_set_s_f1_is_no_mean_of_its_sentences_() -> None:
    """Three right chunks of four and four, not the mean of 100 and 50."""
    pairs = [
        (["B-PER"], ["B-PER"]),
        (["B-PER", "O", "B-LOC", "B-LOC"], ["B-PER", "O", "B-LOC", "B-ORG"]),
    ]
    assert scored(pairs, bare=False)["f1"] == 75


def test_a_set_without_any_chunk_scores_nothing() -> None:
    assert scored([(["O", "O"], ["O", "O"])], bare=False) == {"f1": 0.0, "token_accuracy": 100.0}
    assert tag_scores([]) == {"f1": 0.0, "token_accuracy": 0.0}


def test_a_tag_is_missing() -> None:
    with pytest.raises(ValueError, match="found 1 tags, expected one a word, 2"):
        tag_counts(["X", "X"], ["X"], bare=True)


def test_tags_are_bare_where_none_begins_or_goes_on() -> None:
    assert are_bare(UPOS)
    assert are_bare(SUPERTAGS)
    assert not are_bare(NAMES)
    assert not are_bare(("O", "I-PER"))


def test_nothing_is_said_of_bare_tags() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunks(["NOUN", "VERB"], bare=True)
