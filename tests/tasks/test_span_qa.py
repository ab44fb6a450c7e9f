from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForQuestionAnswering

from tests.tasks.records import PARAGRAPHS, ROWS, question
from xtl.tasks.family import Asked, Feature, FeatureSettings, HeadSettings, Prediction, Row
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.span_maker import MAKER
from xtl.tasks.span_qa import FAMILY, rule_of

DECODING = DecodingSettings(max_length=128, doc_stride=64)
SETTINGS = FeatureSettings.of(DECODING)
ASKED = Asked("en", DECODING)


def pointing_at(feature: Feature, text: str, wanted: str, null: float) -> NDArray[np.float32]:
    """Scores of 5 at the first and last token of `wanted`, `null` at `<s>`, 0 elsewhere."""
    logits = np.zeros((len(feature.input_ids), 2), dtype=np.float32)
    start = text.index(wanted)
    end = start + len(wanted)
    tokens = [k for k, (a, b) in enumerate(feature.offsets) if start <= a < b <= end]
    logits[tokens[0], 0] = logits[tokens[-1], 1] = 5
    logits[0] = null
    return logits


def predict(
    row: Row, wanted: str, null: float, tokenizer: PreTrainedTokenizerFast, *more: Row
) -> Prediction:
    """The answer to `row`, of a set that may have `more` rows."""
    rows = [row, *more]
    features = MAKER.evaluate_features(rows, tokenizer, SETTINGS)
    outputs = [pointing_at(each, rows[each.example]["context"], wanted, null) for each in features]
    return FAMILY.predict(rows, features, outputs, ASKED)[0]


@pytest.mark.parametrize("language", PARAGRAPHS)
def test_the_text_is_cut_from_the_rows_own_context(
    language: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    said = predict(ROWS[language], PARAGRAPHS[language][1], 0, tokenizer)
    assert said.text == PARAGRAPHS[language][1]
    assert said.metrics["exact_match"] == 100
    assert said.score == 10


def test_no_answer_is_given_where_null_scores_more_and_the_set_has_such_questions(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    row, none = ROWS["en"], question(PARAGRAPHS["en"][0], "", name="none")
    answered = predict(row, "1998", 4.9, tokenizer, none)
    silent = predict(row, "1998", 5.1, tokenizer, none)
    assert (answered.text, silent.text) == ("1998", "")
    assert silent.score == pytest.approx(10 - 10.2)
    assert silent.metrics["f1"] == 0


def test_an_equal_null_score_gives_the_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    """SQuAD v2.0's script says null only where its score is more than the threshold, 0."""
    none = question(PARAGRAPHS["en"][0], "", name="none")
    assert predict(ROWS["en"], "1998", 5.0, tokenizer, none).text == "1998"


def test_a_set_whose_questions_all_have_answers_is_always_answered(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    said = predict(ROWS["en"], "1998", 99, tokenizer)
    assert said.text == "1998"
    assert said.score == 10 - 198


def test_the_rule_is_read_from_the_rows() -> None:
    assert rule_of([ROWS["en"], ROWS["th"]], ASKED) == "squad-v1.1"
    assert rule_of([ROWS["en"], question("York", "")], ASKED) == "squad-v2.0"


def test_scores_can_be_computed_again_from_the_text(tokenizer: PreTrainedTokenizerFast) -> None:
    said = predict(ROWS["en"], "(in 1998)", 0, tokenizer)
    assert FAMILY.rescore([ROWS["en"]], [said], ASKED) == [said]
    # "in 1998" shares one of its two tokens with "1998": 2 · 1 / (2 + 1).
    assert FAMILY.summarise([said])["f1"] == pytest.approx(200 / 3)


def test_training_windows_point_at_the_answer(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [ROWS["bn"], question("York", "", name="none")]
    answered, none = MAKER.train_features(rows, tokenizer, SETTINGS)
    first, last = answered.labels
    assert tokenizer.decode(list(answered.input_ids[first : last + 1])) == "ঢাকা"
    assert none.labels == (0, 0)
    assert answered.offsets == ()


def test_a_row_whose_answer_is_not_in_its_context_gives_no_window(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows = [
        question("in York", "Leeds", start=3),
        question("in York", "York", start=2),
        question("in York", "York"),
    ]
    features = MAKER.train_features(rows, tokenizer, SETTINGS)
    assert [feature.example for feature in features] == [1, 2]


def test_the_loss_is_that_of_the_library_where_nothing_is_padded() -> None:
    config = XLMRobertaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=20,
    )  # fmt: skip
    reference = XLMRobertaForQuestionAnswering(config)
    reference.train(False)
    ids = torch.randint(4, 40, (3, 9))
    labels = torch.tensor([[0, 0], [3, 5], [8, 8]])
    with torch.no_grad():
        hidden = reference.roberta(input_ids=ids).last_hidden_state
        loss, _ = FAMILY.loss(reference.qa_outputs, hidden, torch.ones_like(ids), labels)
        expected = reference(
            input_ids=ids, start_positions=labels[:, 0], end_positions=labels[:, 1]
        ).loss
    assert loss.item() / 3 == pytest.approx(float(expected), rel=1e-6)


def test_the_loss_does_not_depend_on_padding() -> None:
    head = FAMILY.head(HeadSettings(16, dropout=0.1))
    hidden, labels = torch.randn(1, 6, 16), torch.tensor([[1, 4]])
    padded = torch.cat([hidden, 100 * torch.randn(1, 5, 16)], dim=1)
    mask = torch.tensor([[1] * 6 + [0] * 5])
    loss, right = FAMILY.loss(head, hidden, mask[:, :6], labels)
    loss_padded, right_padded = FAMILY.loss(head, padded, mask, labels)
    assert loss_padded.item() == pytest.approx(loss.item(), rel=1e-6)
    assert right == right_padded


def test_the_loss_of_even_scores_is_the_log_of_the_length_and_counts_hits() -> None:
    head = nn.Linear(4, 2)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    hidden, mask = torch.randn(2, 6, 4), torch.ones(2, 6, dtype=torch.long)
    loss, right = FAMILY.loss(head, hidden, mask, torch.tensor([[0, 0], [0, 1]]))
    assert loss.item() == pytest.approx(2 * math.log(6))
    assert right == 1  # even scores point at the first token


def test_the_head_learns_to_point() -> None:
    torch.manual_seed(0)
    head = FAMILY.head(HeadSettings(8, dropout=0.1))
    hidden, mask = torch.randn(4, 5, 8), torch.ones(4, 5, dtype=torch.long)
    labels = torch.tensor([[0, 0], [1, 2], [3, 3], [2, 4]])
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.1)
    for _ in range(60):
        loss, right = FAMILY.loss(head, hidden, mask, labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert right == 4


def test_a_language_with_hardly_an_exact_answer_is_at_chance(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    right = predict(ROWS["en"], "1998", 0, tokenizer)
    wrong = predict(ROWS["en"], "York", 0, tokenizer)
    assert FAMILY.at_chance([], [wrong] * 199 + [right], ASKED)
    assert not FAMILY.at_chance([], [wrong] * 99 + [right], ASKED)
