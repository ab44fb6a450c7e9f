"""BUCC's mining: what is mined, at which threshold, and what that is worth."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from xtl.errors import UserError
from xtl.evaluate.evaluator import degenerate
from xtl.tasks.catalogue import METRICS
from xtl.tasks.entries import DatasetRef
from xtl.tasks.f_score import f1_of_counts
from xtl.tasks.family import Asked, Feature, FeatureSettings, Prediction, Row
from xtl.tasks.mining import FAMILY, margin_threshold
from xtl.tasks.mining import METRICS as OWN_METRICS
from xtl.tasks.mining_maker import MAKER
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.tables import read_table

ASKED = Asked("zh", DecodingSettings())
SETTINGS = FeatureSettings.of(ASKED.decoding)

Vectors = NDArray[np.float32]


def foreign(key: str, split: str = "test", match: str = "", text: str = "") -> Row:
    return {"id": key, "text": text or key, "side": "foreign", "split": split, "match": match}


def english(key: str, split: str = "test", text: str = "") -> Row:
    return {"id": key, "text": text or key, "side": "english", "split": split, "match": ""}


def mined(
    rows: Sequence[Row], degrees: Sequence[float] | Vectors, neighbours: int = 4
) -> list[Prediction]:
    """Sentences stand at angles in the plane, or where their vectors say."""
    given = np.radians(np.asarray(degrees, np.float32))
    points = np.stack([np.cos(given), np.sin(given)], axis=1) if given.ndim == 1 else degrees
    features = [Feature(index, ()) for index in range(len(rows))]
    asked = replace(ASKED, decoding=DecodingSettings(neighbours=neighbours))
    return FAMILY.predict(rows, features, list(np.asarray(points, np.float32)), asked)


def by_id(said: Sequence[Prediction]) -> dict[str, Prediction]:
    return {each.example_id: each for each in said}


DEV = [
    foreign("zh-d1", "dev", "en-d1"),
    foreign("zh-d2", "dev"),
    english("en-d1", "dev"),
    english("en-d2", "dev"),
]
TEST = [
    foreign("zh-1", match="en-1"),
    foreign("zh-2", match="en-2"),
    foreign("zh-3"),
    english("en-1"),
    english("en-2"),
    english("en-3"),
]
ROWS = [*DEV, *TEST]
DEGREES = [0, 90, 0, 30, 0, 40, 80, 1, 42, 20]


# ---- what is mined ----------------------------------------------------------------------------
def test_each_split_is_mined_by_itself() -> None:
    """en-d1 stands exactly where zh-1 does, and is in the other split's pool."""
    said = by_id(mined(ROWS, DEGREES))
    assert said["zh-1"].text == "en-1"
    assert said["zh-d1"].text == "en-d1"


def test_the_score_is_the_margin_and_the_text_the_partner_whether_mined_or_not() -> None:
    """Worked by hand, with one neighbour: .6 = cos 53.13°. zh-2 asks for en-1, which is taken;
    en-2 asks for zh-2: .6 over the mean of .8 and .6."""
    rows = [*DEV, foreign("zh-1", match="en-1"), foreign("zh-2"), english("en-1"), english("en-2")]
    near, far = math.degrees(math.acos(0.8)), 90
    said = by_id(mined(rows, [0, 90, 0, 90, 0, near, 0, far], neighbours=1))
    assert (said["zh-1"].text, said["zh-2"].text) == ("en-1", "en-2")
    assert said["zh-1"].score == pytest.approx(1)
    assert said["zh-2"].score == pytest.approx(0.6 / 0.7, rel=1e-5)
    assert [said[key].metrics["mined"] for key in ("zh-1", "zh-2")] == [1, 0]


def test_a_sentence_without_a_partner_has_no_text_and_no_score() -> None:
    rows = [*DEV, foreign("zh-1", match="en-1"), foreign("zh-2"), english("en-1")]
    said = by_id(mined(rows, [0, 90, 0, 30, 0, 50, 0]))
    assert (said["zh-2"].text, said["zh-2"].score) == ("", 0)
    assert (said["en-1"].text, said["en-1"].score) == ("", 0)


def test_a_sentence_that_a_pool_has_twice_is_never_mined() -> None:
    """As XTREME has it: zh-1's translation is lost, and still counts as gold."""
    rows = [
        *DEV,
        foreign("zh-1", match="en-1"),
        english("en-1", text="Yes."),
        english("en-2", text=" Yes. "),
    ]
    said = mined(rows, [0, 90, 0, 90, 0, 0, 0])
    assert by_id(said)["zh-1"].text == ""
    assert [FAMILY.summarise(said)[name] for name in METRICS["mining"]] == [0, 0, 0]
    assert by_id(said)["zh-1"].metrics["gold"] == 1


def test_a_sentence_that_a_pool_has_twice_is_one_neighbour() -> None:
    """Of en-1 and of the other English sentence: were it two, zh-1's two nearest would be they."""
    rows = [*DEV, foreign("zh-1", match="en-1"), english("en-1"), english("en-2"), english("en-3")]
    angles = [0.0, 90, 0, 90, 0, 10, 60, 60]
    twice = [dict(row, text="Yes.") if row["id"] in ("en-2", "en-3") else row for row in rows]
    found = by_id(mined(twice, angles, neighbours=2))["zh-1"].score
    near, far = math.cos(math.radians(10)), math.cos(math.radians(60))
    assert found == pytest.approx(near / (((near + far) / 2 + near) / 2), rel=1e-5)
    thrice = by_id(mined(twice, angles, neighbours=3))["zh-1"].score
    assert thrice == pytest.approx(found)


# ---- what that is worth -----------------------------------------------------------------------
def test_what_reaches_dev_s_threshold_on_test_is_scored() -> None:
    """Worked by hand, with one neighbour. On dev the gold pair has margin 1 and the other .5 over
    the mean of .866 and .5: the threshold is half-way. On test zh-1 and zh-2 have margins of 1, and
    zh-3 one below it: two of two are right."""
    rows = [*DEV, *TEST]
    said = mined(rows, [0, 30, 0, 90, 0, 45, 60, 0, 45, 120], neighbours=1)
    other = 0.5 / ((math.cos(math.radians(30)) + 0.5) / 2)
    assert FAMILY.summarise(said) == pytest.approx(
        {"f1": 100, "precision": 100, "recall": 100, "threshold": (1 + other) / 2}, rel=1e-5
    )
    low = by_id(said)["zh-3"]
    assert low.text == "en-3"
    assert low.score < (1 + other) / 2


def test_counts_are_of_foreign_sentences_of_the_test_split_alone() -> None:
    said = mined(ROWS, DEGREES)
    for row, each in zip(ROWS, said, strict=True):
        counts = [each.metrics[name] for name in ("mined", "right", "gold")]
        if row["split"] == "dev" or row["side"] == "english":
            assert counts == [0, 0, 0]
        else:
            assert counts[2] == bool(row["match"])
    assert sum(each.metrics["gold"] for each in said) == 2


def test_a_sentence_with_two_translations_is_two_gold_pairs_of_which_one_can_be_found() -> None:
    rows = [*DEV, foreign("zh-1", match="en-1 en-2"), english("en-1"), english("en-2")]
    found = FAMILY.summarise(mined(rows, [0, 30, 0, 90, 0, 0, 10], neighbours=1))
    assert [found[name] for name in METRICS["mining"]] == pytest.approx([200 / 3, 100, 50])


def test_f1_precision_and_recall_are_those_of_counts() -> None:
    assert f1_of_counts(gold=8, said=4, right=3) == {"f1": 50, "precision": 75, "recall": 37.5}
    assert set(f1_of_counts(gold=0, said=0, right=0).values()) == {0}


def test_a_split_without_gold_gives_no_figure_but_zero() -> None:
    """All of dev's candidates are wrong: nothing can be tuned, and all of test's count."""
    bare = [dict(row, match="") for row in ROWS]
    said = mined(bare, DEGREES)
    assert FAMILY.summarise(said) == {"f1": 0, "precision": 0, "recall": 0, "threshold": 0}
    paired = [each for row, each in zip(ROWS, said, strict=True) if row["split"] == "test"]
    assert [each.metrics["mined"] for each in paired] == [bool(each.text) for each in paired]
    assert any(each.text for each in paired)


def test_the_catalogue_names_the_family_s_metrics() -> None:
    assert METRICS["mining"] == OWN_METRICS
    assert set(OWN_METRICS) < set(FAMILY.summarise(mined(ROWS, DEGREES)))


# ---- the threshold ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("margins", "right", "gold", "threshold"),
    [
        ([0.9, 0.8, 0.7], [True, True, False], 2, 0.75),
        ([0.7, 0.9, 0.8], [False, True, True], 2, 0.75),  # in any order
        ([0.9, 0.8, 0.7], [True, False, True], 2, 0.7),  # the last candidate is within the cut
        ([0.9], [True], 1, 0.9),
        ([0.9, 0.8, 0.8], [True, True, False], 2, 0.8),  # equal margins go together
        ([0.9, 0.9, 0.5], [False, True, False], 1, 0.7),
        ([0.9, 0.8, 0.7, 0.6], [True, False, False, True], 2, 0.85),  # 2/3 at both cuts
        ([0.9, 0.8], [False, False], 3, 0.0),
        ([], [], 3, 0.0),
    ],
)
def test_the_threshold_is_half_way_between_what_is_kept_and_what_is_left(
    margins: list[float], right: list[bool], gold: int, threshold: float
) -> None:
    assert margin_threshold(margins, right, gold) == pytest.approx(threshold, abs=1e-15)


def test_between_neighbouring_numbers_the_threshold_is_the_one_that_is_kept() -> None:
    above = math.nextafter(1, 2)
    assert margin_threshold([above, 1.0], [True, False], 1) == above


RANKED = st.lists(st.tuples(st.sampled_from([0.5, 0.8, 0.9, 1.0, 1.1]), st.booleans()), min_size=1)


@given(RANKED, st.integers(0, 5))
def test_no_other_threshold_has_a_better_f1(ranked: list[tuple[float, bool]], more: int) -> None:
    gold = sum(right for _, right in ranked) + more

    def f1(threshold: float) -> float:
        kept = [right for margin, right in ranked if margin >= threshold]
        return f1_of_counts(gold, len(kept), sum(kept))["f1"]

    found = margin_threshold([each for each, _ in ranked], [right for _, right in ranked], gold)
    assert f1(found) == pytest.approx(max(f1(margin) for margin, _ in ranked))


# ---- whatever the rows ------------------------------------------------------------------------
@st.composite
def mines(draw: st.DrawFn) -> tuple[list[Row], Vectors]:
    """Two splits of two pools, gold pairs one to one; some texts and some vectors are equal."""
    rows: list[Row] = []
    for split in ("dev", "test"):
        ours, theirs = draw(st.integers(1, 6)), draw(st.integers(1, 6))
        pairs = draw(st.integers(0, min(ours, theirs)))
        for index in range(ours):
            match = f"{split}-en-{index}" if index < pairs else ""
            text = draw(st.sampled_from(["", "", "ja"]))
            rows.append(foreign(f"{split}-zh-{index}", split, match, text))
        rows += [english(f"{split}-en-{index}", split) for index in range(theirs)]
    seed = draw(st.integers(0, 2**32 - 1))
    vectors = np.random.default_rng(seed).integers(0, 3, size=(len(rows), 4))
    return rows, vectors.astype(np.float32) + 1


@settings(max_examples=60, deadline=None)
@given(mines())
def test_figures_are_percents_and_f1_lies_between_precision_and_recall(
    mine: tuple[list[Row], Vectors],
) -> None:
    found = FAMILY.summarise(mined(*mine))
    low, high = sorted((found["precision"], found["recall"]))
    assert 0 <= low - 1e-9 <= found["f1"] <= high + 1e-9 <= 100 + 2e-9 or low == found["f1"] == 0


@settings(max_examples=60, deadline=None)
@given(mines(), st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_say(
    mine: tuple[list[Row], Vectors], chance: random.Random
) -> None:
    """Not even where vectors, and so margins, are equal."""
    rows, vectors = mine
    order = list(range(len(rows)))
    chance.shuffle(order)
    before = by_id(mined(rows, vectors))
    assert by_id(mined([rows[place] for place in order], vectors[order])) == before


@settings(max_examples=60, deadline=None)
@given(mines())
def test_each_english_sentence_is_of_one_pair(mine: tuple[list[Row], Vectors]) -> None:
    partners = [each.text for each in mined(*mine) if each.text]
    assert len(partners) == len(set(partners))


@settings(max_examples=60, deadline=None)
@given(mines())
def test_everything_can_be_computed_again_from_texts_and_scores(
    mine: tuple[list[Row], Vectors],
) -> None:
    rows, vectors = mine
    said = mined(rows, vectors)
    bare = [replace(each, metrics={}) for each in said]
    assert FAMILY.rescore(rows, bare, ASKED) == said


# ---- features and the checkpoint --------------------------------------------------------------
def test_a_row_is_one_sentence_stripped(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [foreign("a", text=" Kenya\n"), english("b", text="York")]
    one, other = MAKER.evaluate_features(rows, tokenizer, SETTINGS)
    assert one.input_ids == tuple(tokenizer("Kenya")["input_ids"])
    assert other.input_ids == tuple(tokenizer("York")["input_ids"])
    assert (one.example, other.example) == (0, 1)


def test_long_sentences_are_cut_with_the_last_token_kept(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    short = SETTINGS.model_copy(update={"max_length": 16})
    (cut,) = MAKER.evaluate_features([foreign("a", text="Kenya " * 50)], tokenizer, short)
    assert len(cut.input_ids) == 16
    assert (cut.input_ids[0], cut.input_ids[-1]) == (0, 2)


def test_nothing_can_be_trained_on_pools(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match="'mining' cannot be trained on"):
        MAKER.train_features(ROWS, tokenizer, SETTINGS)


@pytest.mark.parametrize(("depth", "layer"), [(24, 14), (12, 7)])
def test_the_layer_is_seven_twelfths_up(depth: int, layer: int) -> None:
    assert FAMILY.layer(depth, ASKED.decoding) == layer


@pytest.mark.parametrize(
    ("right", "gold", "chance"),
    [(0, 200, True), (3, 200, True), (4, 200, False), (1, 1, False), (1, 2, True)],
)
def test_a_language_with_a_few_right_pairs_is_at_chance(
    right: int, gold: int, chance: bool
) -> None:
    said = [
        Prediction(str(k), "zh", "x", 1.0, {"mined": 1.0, "right": float(k < right), "gold": 1.0})
        for k in range(gold)
    ]
    assert FAMILY.at_chance([], said, ASKED) is chance


# ---- real pools -------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_real_pools_of_chinese_are_mined(hub: Path) -> None:
    """Random vectors, with those of a pair alike: found almost all, and never at chance."""
    repo = "xtl/bucc2018-zh-en-dev-pool"
    table = read_table(hub / repo, DatasetRef(repo, "gold", "validation", "bucc-pools"))
    rows = table.rows.to_list()
    drawn = np.random.default_rng(1)
    vectors = drawn.normal(size=(len(rows), 32)).astype(np.float32)
    places = {row["id"]: place for place, row in enumerate(rows)}
    for place, row in enumerate(rows):
        if row["match"]:
            vectors[place] = vectors[places[row["match"]]] + 0.3 * drawn.normal(size=32)
    said = mined(rows, vectors)
    found = FAMILY.summarise(said)
    assert found["f1"] > 98
    assert not degenerate(FAMILY, rows, said, ASKED)
    splits = Counter(row["split"] for row in rows)
    assert abs(splits["dev"] - splits["test"]) < 0.05 * len(rows)
    alike = mined(rows, np.ones_like(vectors))
    assert degenerate(FAMILY, rows, alike, ASKED)
