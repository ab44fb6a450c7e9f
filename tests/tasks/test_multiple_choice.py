from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, XLMRobertaForSequenceClassification

from tests.tasks.choosing import HIDDEN, batch_of, choosing, head_settings, tiny_classifier
from tests.tasks.records import PARAGRAPHS
from xtl.tasks.choice_maker import MAKER
from xtl.tasks.family import Asked, Feature, FeatureSettings, Prediction, Row
from xtl.tasks.multiple_choice import FAMILY
from xtl.tasks.settings import DecodingSettings

DECODING = DecodingSettings(max_length=128)
SETTINGS = FeatureSettings.of(DECODING)
ASKED = Asked("en", DECODING)

ROWS = [
    choosing(PARAGRAPHS["en"][0], "1998", "York", "52 miles long", label=1),
    choosing(PARAGRAPHS["sw"][0], "Kenya", "Tana", label=0),
    choosing("长江", "青海", "东海", "6300", "公里", "流入东海", label=4),
]


class Given(nn.Module):
    """A head whose score is the first number of `<s>`."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden[:, 0, :1]


def loss_of(scores: Sequence[float], labels: Sequence[tuple[int, int]]) -> tuple[float, int]:
    hidden = torch.tensor(scores)[:, None, None]
    mask = torch.ones(len(scores), 1)
    loss, right = FAMILY.loss(Given(), hidden, mask, torch.tensor(labels))
    return loss.item(), int(right)


def trained_loss(
    model: XLMRobertaForSequenceClassification, features: Sequence[Feature]
) -> tuple[Tensor, Tensor]:
    """Of a batch of them, by the library's encoder and head."""
    ids, mask, labels = batch_of(features)
    hidden = model.roberta(input_ids=ids, attention_mask=mask).last_hidden_state
    return FAMILY.loss(model.classifier, hidden, mask, labels)


def test_the_loss_is_that_of_a_softmax_over_each_examples_choices() -> None:
    """Worked by hand: odds of 1 : 3 and of 5 : 1 : 2, the right ones second and third."""
    scores = [math.log(odds) for odds in (1, 3, 5, 1, 2)]
    loss, right = loss_of(scores, [(0, 0), (1, 1), (0, 0), (1, 0), (2, 1)])
    assert loss == pytest.approx(-math.log(3 / 4) - math.log(2 / 8))
    assert right == 1


def test_of_equal_scores_the_first_is_chosen_as_it_is_in_evaluation() -> None:
    assert loss_of([2, 2], [(0, 1), (1, 0)])[1] == 1
    assert loss_of([2, 2], [(0, 0), (1, 1)])[1] == 0
    said = FAMILY.predict([choosing("", "a", "b")], *outputs([[2, 2]]), ASKED)
    assert said[0].text == "0"


def test_the_loss_is_the_library_s_scores_through_a_softmax(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = tiny_classifier(classes=1)
    features = MAKER.train_features(ROWS, tokenizer, SETTINGS)
    ids, mask, _ = batch_of(features)
    with torch.no_grad():
        loss, right = trained_loss(model, features)
        scores = model(input_ids=ids, attention_mask=mask).logits[:, 0].split([3, 2, 5])
    golds = [(each, row["label"]) for each, row in zip(scores, ROWS, strict=True)]
    expected = sum(-each.log_softmax(dim=0)[gold] for each, gold in golds)
    assert loss.item() == pytest.approx(float(expected), rel=1e-6)
    assert right == sum(each.argmax() == gold for each, gold in golds)
    assert min(each.std() for each in scores) > 0.01


def test_losses_and_gradients_do_not_depend_on_what_else_is_in_the_batch(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """Three examples with three, two and five choices, together and one by one."""
    model = tiny_classifier(classes=1)
    features = MAKER.train_features(ROWS, tokenizer, SETTINGS)
    alone = [[each for each in features if each.example == k] for k in range(3)]

    def taken(batches: Sequence[Sequence[Feature]]) -> tuple[float, int, Tensor]:
        model.zero_grad()
        results = [trained_loss(model, batch) for batch in batches]
        torch.autograd.backward([loss for loss, _ in results])
        gradient = model.get_parameter("roberta.encoder.layer.0.output.dense.weight").grad
        assert gradient is not None
        loss, right = (sum(each[k].item() for each in results) for k in range(2))
        return loss, int(right), gradient.clone()

    loss, right, gradient = taken([features])
    loss_alone, right_alone, gradient_alone = taken(alone)
    assert loss == pytest.approx(loss_alone, rel=1e-5)
    assert right == right_alone
    assert gradient.abs().max() > 1e-3
    torch.testing.assert_close(gradient, gradient_alone, rtol=1e-4, atol=1e-6)


def test_a_wide_range_of_scores_gives_no_infinity() -> None:
    loss, right = loss_of([1e4, -1e4, 0, 1e4], [(0, 1), (1, 0), (0, 1), (1, 0)])
    assert (loss, right) == (1e4, 1)


def test_the_loss_never_waits_for_the_device() -> None:
    """Tensors without values: whatever looked at one would fail."""
    head = FAMILY.head(head_settings()).to("meta")
    hidden, mask = torch.empty(6, 9, HIDDEN, device="meta"), torch.empty(6, 9, device="meta")
    labels = torch.empty(6, 2, dtype=torch.long, device="meta")
    loss, right = FAMILY.loss(head, hidden, mask, labels)
    torch.autograd.backward(loss)
    assert (loss.shape, right.shape) == ((), ())


def test_one_feature_alone_gives_a_finite_loss() -> None:
    """What a rank computes that has nothing left to do: any feature, counted with weight 0."""
    assert loss_of([3.0], [(2, 0)]) == (0.0, 0)
    assert loss_of([3.0], [(2, 1)]) == (0.0, 1)


def test_the_loss_is_float32_in_bf16_too() -> None:
    head = FAMILY.head(head_settings()).bfloat16()
    hidden = torch.randn(2, 4, HIDDEN).bfloat16()
    loss, _ = FAMILY.loss(head, hidden, torch.ones(2, 4), torch.tensor([[0, 1], [1, 0]]))
    assert loss.dtype == torch.float32


def test_an_example_is_one_target_however_many_choices_it_has(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    features = MAKER.train_features(ROWS, tokenizer, SETTINGS)
    assert len(features) == 10
    assert sum(FAMILY.targets(feature) for feature in features) == len(ROWS)
    assert FAMILY.together


def outputs(scores: list[list[float]]) -> tuple[list[Feature], list[np.ndarray]]:
    """Features of as many rows, each with as many choices, and the head's output of each."""
    features = [
        Feature(example, (0, 2), part=part)
        for example, each in enumerate(scores)
        for part in range(len(each))
    ]
    flat = [np.array([score], dtype=np.float32) for each in scores for score in each]
    return features, flat


def test_an_answer_is_the_number_of_a_choice_and_its_log_probability() -> None:
    odds = [[1, 2, 1], [3, 1], [1, 1, 1, 1, 4]]
    logs = [[math.log(one) for one in each] for each in odds]
    said = FAMILY.predict(ROWS, *outputs(logs), ASKED)
    assert [each.text for each in said] == ["1", "0", "4"]
    assert [each.score for each in said] == pytest.approx(
        [math.log(p) for p in (1 / 2, 3 / 4, 1 / 2)]
    )
    assert FAMILY.summarise(said) == {"accuracy": 100.0}


def test_outputs_are_one_score_a_choice() -> None:
    found = FAMILY.outputs(
        FAMILY.head(head_settings()), torch.randn(7, 5, HIDDEN), torch.ones(7, 5)
    )
    assert (found.shape, found.dtype) == ((7, 1), torch.float32)


def test_accuracy_can_be_computed_again_from_the_text() -> None:
    """Right are 1, 0 and 4: the first is said, the second not, the third is no number."""
    said = [Prediction(str(k), "en", text, -0.5, {}) for k, text in enumerate(["1", "1", ""])]
    again = FAMILY.rescore(ROWS, said, ASKED)
    assert [each.metrics["accuracy"] for each in again] == [100, 0, 0]
    assert FAMILY.summarise(again)["accuracy"] == pytest.approx(100 / 3)


def test_a_set_is_at_chance_where_one_of_its_choices_is_found_by_guessing() -> None:
    """100 rows with five choices: mean 20, deviation 4, so up to 28 hits."""
    rows: list[Row] = [ROWS[2]] * 100

    def at_chance(right: int) -> bool:
        texts = ["4"] * right + ["0"] * (100 - right)
        said = [Prediction(str(k), "en", text, 0.0, {}) for k, text in enumerate(texts)]
        return FAMILY.at_chance(rows, FAMILY.rescore(rows, said, ASKED), ASKED)

    assert at_chance(28)
    assert not at_chance(29)
