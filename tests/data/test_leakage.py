"""Leakage: what evaluation tables share with a training pool, and what they do not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from xtl.data import leakage, words
from xtl.data.leakage import SEQUENCE_WORDS, Index, Overlap

RUN = " ".join(f"w{number}" for number in range(SEQUENCE_WORDS))
HAN = "".join(chr(0x4E00 + number) for number in range(2 * SEQUENCE_WORDS))
THAI = "".join(chr(0x0E01 + number % 40) for number in range(4 * SEQUENCE_WORDS))

pieces = st.sampled_from(["a ", "b ", "a a a a a b ", "京京b", "京" * 11, "กb", "ก" * 21, ". "])
texts = st.lists(st.lists(pieces, max_size=8).map("".join), max_size=6)


def overlap(training: list[str], evaluation: list[str]) -> Overlap:
    return Index.of({"table": evaluation}).overlaps(training)["table"]


def counts(training: list[str], evaluation: list[str]) -> tuple[int, int]:
    found = overlap(training, evaluation)
    return found.contexts, found.sequences


def test_tables_that_share_nothing_do_not_overlap() -> None:
    found = overlap(["Oslo is in Norway."], ["Lima is in Peru."])
    assert found == Overlap(contexts=0, sequences=0)
    assert not found


def test_a_short_context_is_found_where_it_is_all_of_a_training_text() -> None:
    found = overlap(["Lima.", "Oslo is in Norway."], ["Oslo is in Norway."])
    assert found == Overlap(contexts=1, sequences=0, examples=("Oslo is in Norway.",))
    assert found


def test_a_short_context_is_not_looked_for_inside_training_texts() -> None:
    assert counts(
        [f"Oslo is in Norway. {RUN}", "So Oslo is in Norway."], ["Oslo is in Norway."]
    ) == (
        0,
        0,
    )


@pytest.mark.parametrize(
    "training",
    [
        " oslo  IS in\nNorway ",
        "“Oslo” is – in Norway!",
        "Oslo , is in Norway .",
        "Oslo—is in-Norway.",
        "Oslo[1] is in Norway.[2]",
        "Os\u00adlo\u200bis in Norway",
        "Ｏｓｌｏ is in Norway",  # noqa: RUF001
        "Os\u006co is\u00a0in Norway",
    ],
)
def test_case_white_space_punctuation_and_width_make_no_difference(training: str) -> None:
    assert counts([training], ["Oslo is in Norway."]) == (1, 0)


@pytest.mark.parametrize(
    "training", ["Oslo is in Norway 2", "Oslois in Norway", "Os-lo is in Norway"]
)
def test_digits_and_what_stands_inside_words_do(training: str) -> None:
    assert counts([training], ["Oslo is in Norway."]) == (0, 0)


def test_vowel_signs_at_the_end_of_a_word_belong_to_it() -> None:
    assert counts(["हिन्दी"], ["हिन्द"]) == (0, 0)


def test_thirteen_words_in_a_row_are_found_wherever_they_stand() -> None:
    assert counts([f"before {RUN}"], [f"{RUN} after it"]) == (0, 1)
    assert counts([f"{RUN} after it"], [f"before ({RUN}), and so on"]) == (0, 1)


SIXTY = [f"word{number}" for number in range(60)]


def joined(join: str) -> str:
    """Sixty words, of which each tenth is joined to the next by something else than a blank."""
    tens = [" ".join(SIXTY[start : start + 10]) for start in range(0, 60, 10)]
    return join.join(tens)


@pytest.mark.parametrize(
    "join",
    [*"-—–./_\n\u200b\u00a0", "[1]", "[1] ", " [12][3] ", ".[4]", "\u00ad "],
    ids=ascii,
)
def test_no_join_between_words_hides_a_copy(join: str) -> None:
    assert counts([joined(join)], [joined(" ")]) == (1, 1)
    assert counts([joined(" ")], [joined(join)]) == (1, 1)


@pytest.mark.parametrize(
    ("plain", "copied"),
    [
        ("don't", "don’t"),
        ("don't", "don´t"),  # noqa: RUF001
        ("informed", "in\u00adformed"),
        ("informed", "\ufeffinformed\u200e"),
        ("كتاب", "كتـــاب"),
        ("كتب", "كَتَبَ"),
        ("هذا", "هٰذا"),
    ],
    ids=ascii,
)
def test_no_other_way_to_write_a_word_hides_a_copy(plain: str, copied: str) -> None:
    one, other = (
        " ".join(word if place % 10 else f"{written} {word}" for place, word in enumerate(SIXTY))
        for written in (plain, copied)
    )
    assert counts([one], [other]) == (1, 1)
    assert counts([other], [one]) == (1, 1)


def test_twelve_words_in_a_row_are_not() -> None:
    twelve = RUN.rpartition(" ")[0]
    assert counts([f"{twelve} here"], [f"{twelve} there"]) == (0, 0)


def test_words_in_another_order_are_not() -> None:
    assert counts([RUN], [" ".join(reversed(RUN.split()))]) == (0, 0)


def test_a_run_does_not_go_from_one_text_into_the_next() -> None:
    words = RUN.split()
    halves = [" ".join(words[:6]), " ".join(words[6:])]
    assert counts(halves, [RUN]) == (0, 0)
    assert counts([RUN], halves) == (0, 0)


def test_a_long_context_is_found_whole_inside_a_longer_training_text() -> None:
    context = f"It begins. {RUN} and so it ends."
    assert counts([f"Once upon a time: {context} Amen."], [context]) == (1, 1)
    assert counts([context.removesuffix(" ends.")], [context]) == (0, 1)


def test_a_context_is_whole_in_one_training_text_not_in_two() -> None:
    context = f"{RUN} {RUN.upper()} more"
    assert counts([f"{RUN} w0 w1", f"w0 {RUN} more"], [context]) == (0, 1)
    assert counts([f"x {RUN}", f"{RUN} more"], [context]) == (0, 1)


def test_a_context_that_begins_as_it_goes_on_is_found_whole() -> None:
    """Its first run stands in the training text twice, and goes on as it does only later."""
    assert counts([f"{'a ' * 30} b c"], [f"{'a ' * 15} b c"]) == (1, 1)


def test_an_evaluation_context_counts_once_however_often_it_stands() -> None:
    found = overlap([RUN, RUN, "x", RUN], [RUN, RUN, RUN.upper()])
    assert found == Overlap(contexts=1, sequences=1, examples=(RUN,))


def test_two_contexts_that_share_a_run_are_both_found() -> None:
    assert counts([RUN], [f"{RUN} here", f"{RUN} there", RUN]) == (1, 3)


@pytest.mark.parametrize("nothing", ["", " ", "\n", "…!", "–"])
def test_a_context_without_words_is_no_overlap(nothing: str) -> None:
    assert not overlap([nothing], [nothing])
    assert not overlap([], [RUN])
    assert not overlap([RUN], [])


def test_each_table_has_its_own_verdict() -> None:
    index = Index.of({"one": ["alpha", RUN], "two": [], "three": ["gamma", "alpha"]})
    found = index.overlaps(["alpha", f"{RUN} and more", "beta"])
    assert found == {
        "one": Overlap(contexts=2, sequences=1, examples=("alpha", RUN)),
        "two": Overlap(0, 0),
        "three": Overlap(contexts=1, sequences=0, examples=("alpha",)),
    }


def test_an_index_is_asked_about_several_pools_independently() -> None:
    index = Index.of({"table": [RUN]})
    assert index.overlaps([RUN])["table"]
    assert not index.overlaps(["something else"])["table"]


def test_examples_are_three_beginnings_whole_contexts_first() -> None:
    partly = [f"{RUN} {ending}\n{'z' * 99}" for ending in "abc"]
    found = overlap([RUN, f"0 {RUN} 1", "whole"], [*partly, "whole"])
    assert (found.contexts, found.sequences) == (1, 3)
    assert found.examples[0] == "whole"
    assert found.examples[1:] == tuple(" ".join(text.split())[:80] for text in partly[:2])


@pytest.mark.parametrize("run", [HAN, THAI])
def test_a_script_without_spaces_is_compared_by_its_characters(run: str) -> None:
    assert counts([f"前{run}後"], [f"{run}。まったく"]) == (0, 1)
    assert counts([f"前{run}後"], [run]) == (1, 1)
    assert counts([f"前{run[1:]}後"], [f"ก{run[1:]}ข"]) == (0, 0)


def test_punctuation_makes_no_difference_between_characters_either() -> None:
    assert counts([f"前{HAN[:20]}。{HAN[20:]}"], [f"{HAN[:10]}「{HAN[10:]}」後"]) == (0, 1)


def test_a_short_context_of_characters_is_compared_as_a_whole() -> None:
    assert counts(["東京は日本の首都です。"], ["東京は日本の首都です"]) == (1, 0)
    assert counts(["東京は日本の首都ですか。"], ["東京は日本の首都です"]) == (0, 0)


@pytest.mark.parametrize("word", ["東京", "กขคง"])
def test_a_few_characters_count_as_a_word_where_scripts_are_mixed(word: str) -> None:
    words = " ".join(RUN.split()[:-1])
    assert counts([f"x {words} {word}"], [f"{words}{word} y"]) == (0, 1)
    assert counts([f"x {words} {word[1:]}"], [f"{words} {word[1:]} y"]) == (0, 0)


@given(texts, texts)
def test_the_figures_are_those_of_a_plain_search(
    training: list[str], evaluation: list[str]
) -> None:
    pool = [plain_words(text) for text in training]
    asked = {plain_words(text) for text in evaluation} - {()}
    whole = sum(
        any(words == text or (weight(words) >= 52 and is_within(words, text)) for text in pool)
        for words in asked
    )
    shared = sum(
        any(is_within(run, text) for run in plain_runs(words) for text in pool) for words in asked
    )
    assert counts(training, evaluation) == (whole, shared)


def plain_words(text: str) -> tuple[str, ...]:
    for sign, word in {".": " ", "京": " 京 ", "ก": " ก "}.items():
        text = text.replace(sign, word)
    return tuple(text.split())


def weight(words: tuple[str, ...]) -> int:
    return sum({"京": 2, "ก": 1}.get(word, 4) for word in words)


def plain_runs(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    starts = range(len(words))
    ends = [
        next((end for end in range(start, len(words) + 1) if weight(words[start:end]) >= 52), None)
        for start in starts
    ]
    return [words[start:end] for start, end in zip(starts, ends, strict=True) if end is not None]


def is_within(words: tuple[str, ...], text: tuple[str, ...]) -> bool:
    width = len(words)
    return any(text[start : start + width] == words for start in range(len(text) - width + 1))


def test_small_batches_and_a_small_vocabulary_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(1)
    pool = [" ".join(draw.choices("abcde", k=40)) for _ in range(200)]
    asked = [" ".join(draw.choices("abcde", k=20)) for _ in range(50)] + pool[:9]
    asked += [f"{text[20:60]} f" for text in pool[20:30]]
    at_once = overlap(pool, asked)
    monkeypatch.setattr(leakage, "_BATCH", 100)
    monkeypatch.setattr(words, "_VOCABULARY", 2)
    assert overlap(pool, asked) == at_once
    assert (at_once.contexts, at_once.sequences) == (9, 19)


def contexts(hub: Path, config: str, split: str, column: str = "context") -> list[str]:
    (file,) = (hub / config).glob(f"{split}-*.parquet")
    found: list[str] = parquet.read_table(file, columns=[column])[column].to_pylist()
    return found


def test_squads_validation_set_holds_xquad_and_what_is_cut_of_it_does_not(hub: Path) -> None:
    languages = ("en", "de", "th", "zh")
    index = Index.of(
        {c: contexts(hub, f"google/xtreme/XQuAD.{c}", "validation") for c in languages}
    )
    found = index.overlaps(contexts(hub, "rajpurkar/squad/plain_text", "validation"))
    assert found["en"].contexts > 50
    assert found["en"].sequences >= found["en"].contexts
    assert len(found["en"].examples) == 3
    cut = index.overlaps(contexts(hub, "xtl/squad-dev-minus-xquad/plain_text", "train"))["en"]
    # "209-acre (85 ha) main campus is centered on Harvard Yard in Cambridge": 13 with the hyphen.
    assert (cut.contexts, cut.sequences) == (0, 1)


@pytest.mark.parametrize("language", ["th", "zh"])
def test_unspaced_contexts_are_found_inside_longer_ones(language: str, hub: Path) -> None:
    asked = contexts(hub, f"google/xtreme/XQuAD.{language}", "validation")
    pool = ["字".join(sorted(set(asked)))]
    found = Index.of({language: asked}).overlaps(pool)[language]
    distinct = len({*asked})
    assert (found.contexts, found.sequences) == (distinct, distinct)
