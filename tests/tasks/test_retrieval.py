from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from xtl.errors import UserError
from xtl.tasks.family import Asked, FeatureSettings, Prediction, Row
from xtl.tasks.retrieval import FAMILY, nearest
from xtl.tasks.retrieval_features import MAKER
from xtl.tasks.settings import DecodingSettings

DECODING = DecodingSettings()
SETTINGS = FeatureSettings.of(DECODING)
ASKED = Asked("sw", DECODING)


def pair(foreign: str, english: str) -> Row:
    return {
        "source_sentence": f"{foreign}\n",
        "target_sentence": f"{english}\n",
    }


def at(degrees: float) -> NDArray[np.float32]:
    """A unit vector in the plane."""
    return np.array(
        [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))], dtype=np.float32
    )


def predict(
    rows: list[Row],
    foreign: list[float],
    english: list[float],
    tokenizer: PreTrainedTokenizerFast,
) -> list[Prediction]:
    features = MAKER.evaluate_features(rows, tokenizer, SETTINGS)
    outputs = [at((foreign, english)[each.part][each.example]) for each in features]
    return FAMILY.predict(rows, features, outputs, ASKED)


ROWS = [pair("moja", "one"), pair("mbili", "two"), pair("tatu", "three")]


def test_each_english_sentence_asks_for_its_nearest_foreign_one(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """Worked by hand: "three" at 55° is nearer to "mbili" at 40° than to "tatu" at 90°."""
    said = predict(ROWS, foreign=[0, 40, 90], english=[10, 30, 55], tokenizer=tokenizer)
    assert [each.text for each in said] == ["moja", "mbili", "mbili"]
    assert [each.metrics["accuracy"] for each in said] == [100, 100, 0]
    assert [each.score for each in said] == pytest.approx(
        [math.cos(math.radians(angle)) for angle in (10, 10, 15)], abs=1e-6
    )
    assert FAMILY.summarise(said)["accuracy"] == pytest.approx(200 / 3)


def test_the_other_direction_has_its_own_name(tokenizer: PreTrainedTokenizerFast) -> None:
    """Each foreign sentence finds its English one, though not the other way about."""
    said = predict(ROWS, foreign=[0, 40, 90], english=[10, 30, 55], tokenizer=tokenizer)
    assert FAMILY.summarise(said)["accuracy_from_foreign"] == 100


def test_of_equal_foreign_sentences_the_first_is_found(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows = [pair("moja", "one"), pair("moja", "the first")]
    said = predict(rows, foreign=[0, 0], english=[5, 5], tokenizer=tokenizer)
    assert [each.metrics["accuracy"] for each in said] == [100, 0]


def test_accuracy_can_be_computed_again_from_the_text(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [*ROWS, pair("moja", "the first")]
    said = predict(rows, [0, 40, 90, 0], [10, 30, 55, 5], tokenizer)
    blank = [
        Prediction(
            each.example_id, "sw", each.text, each.score, {**each.metrics, "accuracy": math.nan}
        )
        for each in said
    ]
    assert FAMILY.rescore(rows, blank, ASKED) == said


def test_a_text_that_no_row_has_is_wrong_when_scored_again() -> None:
    said = Prediction("0", "sw", "nne", 0.5, {"accuracy": 100.0, "accuracy_from_foreign": 0.0})
    assert FAMILY.rescore(ROWS[:1], [said], ASKED)[0].metrics["accuracy"] == 0


def test_line_ends_are_no_part_of_a_sentence(tokenizer: PreTrainedTokenizerFast) -> None:
    foreign, english = MAKER.evaluate_features([pair("Kenya", "York")], tokenizer, SETTINGS)
    assert foreign.input_ids == tuple(tokenizer("Kenya")["input_ids"])
    assert english.input_ids == tuple(tokenizer("York")["input_ids"])
    assert (foreign.part, english.part) == (0, 1)


def test_nothing_can_be_trained_on_pairs(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match="'retrieval' cannot be trained on"):
        MAKER.train_features(ROWS, tokenizer, SETTINGS)


def test_long_sentences_are_cut_with_the_last_token_kept(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    short = SETTINGS.model_copy(update={"max_length": 16})
    cut, _ = MAKER.evaluate_features([pair("Kenya " * 50, "York")], tokenizer, short)
    assert len(cut.input_ids) == 16
    assert (cut.input_ids[0], cut.input_ids[-1]) == (0, 2)


def test_a_sentence_is_the_mean_of_all_its_tokens_without_padding() -> None:
    hidden = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [99.0, 99.0]]])
    vector = FAMILY.outputs(None, hidden, torch.tensor([[1, 1, 0]]))
    assert vector[0].tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(("depth", "layer"), [(24, 14), (12, 7), (2, 1)])
def test_the_layer_is_seven_twelfths_up(depth: int, layer: int) -> None:
    assert FAMILY.layer(depth, DECODING) == layer


def test_the_layer_can_be_the_embeddings_or_the_last() -> None:
    assert FAMILY.layer(12, DecodingSettings(layer_fraction=0)) == 0
    assert FAMILY.layer(12, DecodingSettings(layer_fraction=1)) == 12
    assert FAMILY.layer(12, DecodingSettings(layer=0)) == 0


def test_nearest_is_by_inner_product() -> None:
    places, products = nearest(np.stack([at(0), at(90)]), np.stack([at(80), at(20), at(46)]))
    assert places.tolist() == [1, 0, 1]
    assert products.tolist() == pytest.approx([at(10)[0], at(20)[0], at(44)[0]])


@pytest.mark.parametrize(("hits", "chance"), [(0, True), (3, True), (4, False)])
def test_a_language_with_a_few_hits_is_at_chance(hits: int, chance: bool) -> None:
    said = [Prediction(str(k), "sw", "", 0.0, {"accuracy": 100.0 * (k < hits)}) for k in range(200)]
    assert FAMILY.at_chance([], said, ASKED) is chance
