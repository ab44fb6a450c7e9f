from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from tests.tasks.choosing import HIDDEN, batch_of, head_settings, pair, tiny_classifier
from tests.tasks.records import PARAGRAPHS
from xtl.errors import UserError
from xtl.tasks.family import Asked, FeatureSettings, Prediction, Row
from xtl.tasks.forms import NLI
from xtl.tasks.pair_maker import MAKER
from xtl.tasks.sentence_pair import FAMILY
from xtl.tasks.settings import DecodingSettings

DECODING = DecodingSettings(max_length=128)
SETTINGS = FeatureSettings.of(DECODING)
NLI_ASKED = Asked("sw", DECODING, labels=NLI, head_labels=NLI)

ROWS = [
    pair(PARAGRAPHS["en"][0], "The Ouse is long.", 0),
    pair(PARAGRAPHS["th"][0], PARAGRAPHS["zh"][0], 1),
    pair("km", "km", 2),
]


def predict(rows: Sequence[Row], scores: list[list[float]], asked: Asked) -> list[Prediction]:
    return FAMILY.predict(rows, [], [np.array(each, dtype=np.float32) for each in scores], asked)


def test_the_loss_is_the_library_s(tokenizer: PreTrainedTokenizerFast) -> None:
    reference = tiny_classifier(classes=3)
    head = FAMILY.head(head_settings(*NLI))
    head.load_state_dict(reference.classifier.state_dict())
    ids, mask, labels = batch_of(MAKER.train_features(ROWS, tokenizer, SETTINGS))
    with torch.no_grad():
        hidden = reference.roberta(input_ids=ids, attention_mask=mask).last_hidden_state
        loss, right = FAMILY.loss(head, hidden, mask, labels)
        expected = reference(input_ids=ids, attention_mask=mask, labels=labels[:, 0])
    assert loss.item() / 3 == pytest.approx(expected.loss.item(), rel=1e-6)
    assert right == (expected.logits.argmax(dim=1) == labels[:, 0]).sum()


def test_an_examples_loss_is_its_own_whatever_else_is_in_the_batch(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    reference = tiny_classifier(classes=3)
    features = MAKER.train_features(ROWS, tokenizer, SETTINGS)

    def loss_of(chosen: list[int]) -> float:
        ids, mask, labels = batch_of([features[k] for k in chosen])
        with torch.no_grad():
            hidden = reference.roberta(input_ids=ids, attention_mask=mask).last_hidden_state
            return FAMILY.loss(reference.classifier, hidden, mask, labels)[0].item()

    assert loss_of([0, 1, 2]) == pytest.approx(sum(loss_of([k]) for k in range(3)), rel=1e-5)


def test_the_loss_of_even_scores_is_the_log_of_the_classes_in_float32() -> None:
    head = FAMILY.head(head_settings(*NLI)).bfloat16()
    nn.init.zeros_(head.get_parameter("out_proj.weight"))
    hidden = torch.randn(2, 6, HIDDEN).bfloat16()
    loss, right = FAMILY.loss(head, hidden, torch.ones(2, 6), torch.tensor([[0], [2]]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(2 * math.log(3))
    assert right == 1  # even scores are of the first class


def test_each_pair_is_one_target(tokenizer: PreTrainedTokenizerFast) -> None:
    features = MAKER.train_features(ROWS, tokenizer, SETTINGS)
    assert [FAMILY.targets(feature) for feature in features] == [1, 1, 1]
    assert not FAMILY.together


def test_a_head_of_no_classes_is_refused() -> None:
    with pytest.raises(UserError, match="labels: found none"):
        FAMILY.head(head_settings())


def test_outputs_are_one_score_a_class() -> None:
    head = FAMILY.head(head_settings(*NLI))
    outputs = FAMILY.outputs(head, torch.randn(2, 5, HIDDEN), torch.ones(2, 5))
    assert (outputs.shape, outputs.dtype) == ((2, 3), torch.float32)


def test_an_answer_is_the_name_of_a_class_and_its_log_probability() -> None:
    said = predict(ROWS[:2], [[0, math.log(3), 0], [0, math.log(6), math.log(3)]], NLI_ASKED)
    assert [each.text for each in said] == ["neutral", "neutral"]
    assert [each.score for each in said] == pytest.approx([math.log(3 / 5), math.log(6 / 10)])
    assert [each.metrics for each in said] == [{"accuracy": 0.0}, {"accuracy": 100.0}]
    assert FAMILY.summarise(said) == {"accuracy": 50.0}


def test_a_set_that_numbers_its_classes_otherwise_is_scored_by_their_names() -> None:
    asked = Asked("en", DECODING, labels=tuple(reversed(NLI)), head_labels=NLI)
    (said,) = predict([pair("a", "b", 0)], [[0, 0, 5]], asked)
    assert (said.text, said.metrics["accuracy"]) == ("contradiction", 100.0)


def test_a_class_without_a_name_is_its_number() -> None:
    (said,) = predict([pair("a", "b", 1)], [[0, 5]], Asked("en", DECODING))
    assert (said.text, said.metrics["accuracy"]) == ("1", 100.0)


def test_accuracy_can_be_computed_again_from_the_text() -> None:
    said = [
        Prediction(str(k), "en", text, -0.1, {})
        for k, text in enumerate(["entailment", "contradiction", "", "neutral"])
    ]
    rows = [pair("a", "b", label) for label in (0, 1, 1, 1)]
    again = FAMILY.rescore(rows, said, NLI_ASKED)
    assert [each.metrics["accuracy"] for each in again] == [100, 0, 0, 100]


def test_a_language_is_at_chance_where_the_commonest_class_explains_its_accuracy() -> None:
    """40 of 100 rows are neutral: mean 40, deviation √24 = 4.90, so up to 49 hits."""
    rows = [pair("a", "b", label) for label in [0] * 30 + [1] * 40 + [2] * 30]

    def at_chance(right: int) -> bool:
        texts = [NLI[row["label"]] if k < right else "?" for k, row in enumerate(rows)]
        said = [Prediction(str(k), "en", text, 0.0, {}) for k, text in enumerate(texts)]
        return FAMILY.at_chance(rows, FAMILY.rescore(rows, said, NLI_ASKED), NLI_ASKED)

    assert at_chance(49)
    assert not at_chance(50)
