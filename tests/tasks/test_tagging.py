from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForTokenClassification,
    XLMRobertaModel,
)

from tests.tasks.tokenizers import small_tokenizer
from xtl.errors import UserError
from xtl.tasks.family import Asked, Feature, FeatureSettings, HeadSettings, Prediction, Row
from xtl.tasks.forms import NAMES, UPOS
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.tag_maker import MAKER, NO_WORD
from xtl.tasks.tagging import FAMILY

DECODING = DecodingSettings(max_length=16)
SETTINGS = FeatureSettings.of(DECODING)
POS = Asked("en", DECODING, labels=UPOS, head_labels=UPOS)
NER = Asked("en", DECODING, labels=NAMES, head_labels=NAMES)

RIVER: Row = {"tokens": ["The", "river", "rises", "."], "tags": ["DET", "NOUN", "VERB", "PUNCT"]}
YORK: Row = {"tokens": ["In", "York", "and", "Leeds"], "tags": ["O", "B-LOC", "O", "B-LOC"]}


def saying(feature: Feature, tags: list[str], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Outputs of a head that says these tags, and the last of all at later pieces."""
    says = [len(names) - 1 if at == NO_WORD else names.index(tags[at[0]]) for at in feature.offsets]
    return np.array([[number, -0.5] for number in says], dtype=np.float32)


def predict(
    rows: list[Row], said: list[list[str]], asked: Asked, tokenizer: PreTrainedTokenizerFast
) -> list[Prediction]:
    features = MAKER.evaluate_features(rows, tokenizer, FeatureSettings.of(asked.decoding))
    outputs = [saying(each, said[each.example], asked.head_labels) for each in features]
    return FAMILY.predict(rows, features, outputs, asked)


def new_head(tags: int, dropout: float = 0.0) -> nn.Module:
    settings = HeadSettings(hidden_size=8, dropout=dropout, labels=tuple(map(str, range(tags))))
    return FAMILY.head(settings)


def test_the_text_is_a_tag_a_word(tokenizer: PreTrainedTokenizerFast) -> None:
    tags = ["DET", "NOUN", "NOUN", "PUNCT"]
    (said,) = predict([RIVER], [tags], POS, tokenizer)
    assert said.text == "DET NOUN NOUN PUNCT"
    assert (said.example_id, said.language) == ("0", "en")
    assert said.score == -0.5


def test_words_of_several_windows_come_together_in_order(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows: list[Row] = [
        {"tokens": RIVER["tokens"] * 6, "tags": RIVER["tags"] * 6},
        {"tokens": RIVER["tokens"], "tags": RIVER["tags"]},
    ]
    assert len(MAKER.evaluate_features(rows, tokenizer, SETTINGS)) == 4
    said = predict(rows, [row["tags"] for row in rows], POS, tokenizer)
    assert [each.text.split() for each in said] == [row["tags"] for row in rows]


def test_the_score_is_the_mean_log_probability_of_the_words(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    (feature,) = MAKER.evaluate_features([YORK], tokenizer, replace_length(64))
    output = np.zeros((len(feature.input_ids), 2), dtype=np.float32)
    for at, (start, end) in enumerate(feature.offsets):
        output[at, 1] = -end if end else -99 + start
    (said,) = FAMILY.predict([YORK], [feature], [output], NER)
    assert said.score == pytest.approx(-(1 + 2 + 3 + 4) / 4)


def replace_length(length: int) -> FeatureSettings:
    return SETTINGS.model_copy(update={"max_length": length})


def test_a_language_s_f1_adds_up_its_sentences_counts(tokenizer: PreTrainedTokenizerFast) -> None:
    """Worked by hand: of 2 + 2 gold names and 2 + 1 said ones, 2 + 0 are right: 2 · 2 / (4 + 3)."""
    said = predict([YORK, YORK], [YORK["tags"], ["B-LOC", "I-LOC", "O", "O"]], NER, tokenizer)
    assert said[1].metrics == {
        "gold_chunks": 2, "said_chunks": 1, "right_chunks": 0, "words": 4, "right_words": 1,
    }  # fmt: skip
    scores = FAMILY.summarise(said)
    assert scores == {"f1": pytest.approx(400 / 7), "token_accuracy": 62.5}


def test_bare_tags_are_known_by_the_set_s_labels(tokenizer: PreTrainedTokenizerFast) -> None:
    """Of parts of speech each run is a chunk; the same row among names has none."""
    tags = [RIVER["tags"]]
    (bare,) = predict([RIVER], tags, POS, tokenizer)
    mixed = (*UPOS, "B-LOC")
    (chunked,) = predict([RIVER], tags, replace(POS, labels=mixed, head_labels=mixed), tokenizer)
    assert bare.metrics["gold_chunks"] == 4
    assert (
        FAMILY.summarise([bare])
        == FAMILY.summarise([chunked])
        == {
            "f1": 100.0,
            "token_accuracy": 100.0,
        }
    )


def test_scores_can_be_computed_again_from_the_text(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [YORK, {**YORK, "tags": ["O", "O", "O", "B-LOC"]}]
    said = predict(rows, [YORK["tags"]] * 2, NER, tokenizer)
    assert FAMILY.rescore(rows, [replace(each, metrics={}) for each in said], NER) == said


def test_a_text_that_lacks_a_tag_is_one_clear_line() -> None:
    said = Prediction("7", "sw", "O O O", -0.5, metrics={})
    with pytest.raises(UserError, match=r"^example 7 of sw: found 3 tags, expected one a word, 4$"):
        FAMILY.rescore([YORK], [said], NER)


def test_a_tag_with_a_space_in_it_stays_one(tokenizer: PreTrainedTokenizerFast) -> None:
    row = {"tokens": ["York", "rises"], "tags": ["proper noun", "verb"]}
    asked = Asked("en", DECODING, labels=(), head_labels=("verb", "proper noun"))
    (said,) = predict([row], [row["tags"]], asked, tokenizer)
    assert said.text == "proper_noun verb"
    assert said.metrics["right_words"] == 2


def test_outputs_are_the_likeliest_tag_and_its_log_probability() -> None:
    head = new_head(1363)
    hidden = torch.randn(2, 5, 8)
    outputs = FAMILY.outputs(head, hidden, torch.ones(2, 5, dtype=torch.long))
    assert outputs.shape == (2, 5, 2)
    assert outputs.dtype == torch.float32
    probabilities = head(hidden).softmax(dim=-1)
    assert torch.equal(outputs[..., 0].long(), probabilities.argmax(dim=-1))
    assert torch.allclose(outputs[..., 1].exp(), probabilities.max(dim=-1).values, rtol=1e-5)


def test_the_loss_is_that_of_the_library() -> None:
    config = XLMRobertaConfig(
        vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=20,
    )  # fmt: skip
    config.num_labels = 5
    reference = XLMRobertaForTokenClassification(config)
    reference.train(False)
    head = new_head(5)
    head.load_state_dict({
        f"classifier.{name}": tensor for name, tensor in reference.classifier.state_dict().items()
    })  # fmt: skip
    ids = torch.randint(4, 40, (3, 9))
    labels = torch.randint(-1, 5, (3, 9))
    labels[labels < 0] = -100
    with torch.no_grad():
        hidden = reference.roberta(input_ids=ids).last_hidden_state
        loss, right = FAMILY.loss(head, hidden, torch.ones_like(ids), labels)
        expected = reference(input_ids=ids, labels=labels)
    words = int((labels >= 0).sum())
    assert loss.item() / words == pytest.approx(float(expected.loss), rel=1e-5)
    assert right == ((expected.logits.argmax(dim=-1) == labels) & (labels >= 0)).sum()


def test_padding_and_later_pieces_have_no_part_in_the_loss() -> None:
    head = new_head(4)
    hidden, labels = torch.randn(1, 4, 8), torch.tensor([[-100, 2, -100, 1]])
    mask = torch.ones(1, 4, dtype=torch.long)
    loss, right = FAMILY.loss(head, hidden, mask, labels)
    noise = torch.cat([hidden, 100 * torch.randn(1, 3, 8)], dim=1)
    noise[0, [0, 2]] = 50
    padded = nn.functional.pad(labels, (0, 3), value=-100)
    again = FAMILY.loss(head, noise, nn.functional.pad(mask, (0, 3)), padded)
    assert again[0].item() == pytest.approx(loss.item(), rel=1e-6)
    assert again[1] == right


def test_even_scores_lose_the_log_of_the_number_of_tags() -> None:
    head = new_head(17)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    loss, right = FAMILY.loss(
        head, torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.long), torch.tensor([[-100, 0, 3]])
    )
    assert loss.item() == pytest.approx(2 * math.log(17))
    assert right == 1


def test_the_loss_is_summed_in_float32_under_bf16() -> None:
    head = new_head(5)
    hidden, labels = torch.randn(1, 3, 8), torch.tensor([[0, 1, 2]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = FAMILY.loss(head, hidden, torch.ones(1, 3, dtype=torch.long), labels)
    assert loss.dtype == torch.float32


def test_a_batch_without_a_word_adds_nothing_and_can_be_learned_from() -> None:
    head = new_head(5)
    labels = torch.full((1, 3), -100)
    loss, right = FAMILY.loss(head, torch.randn(1, 3, 8), torch.ones(1, 3), labels)
    torch.autograd.backward(loss)
    assert (loss.item(), int(right)) == (0, 0)


def test_targets_are_words() -> None:
    feature = Feature(0, (0, 5, 6, 7, 2), labels=(-100, 3, -100, 0, -100))
    assert FAMILY.targets(feature) == 2


def test_features_are_drawn_as_they_are() -> None:
    feature = Feature(0, (0, 5, 2), labels=(-100, 3, -100))

    def vocabulary() -> None:
        raise AssertionError("tagging draws nothing")

    assert FAMILY.drawn([feature], vocabulary, (1, 2)) == [feature]  # type: ignore[arg-type]


@pytest.mark.parametrize(("right", "chance"), [(1, True), (2, True), (3, False)])
def test_bare_tags_are_at_chance_up_to_the_share_of_the_most_frequent(
    right: int, chance: bool, tokenizer: PreTrainedTokenizerFast
) -> None:
    row: Row = {"tokens": ["York"] * 4, "tags": ["NOUN", "NOUN", "VERB", "ADV"]}
    tags = [*row["tags"][:right], *["X"] * (4 - right)]
    assert FAMILY.at_chance([row], predict([row], [tags], POS, tokenizer), POS) is chance


@pytest.mark.parametrize(("found", "chance"), [(0, True), (1, True), (4, False)])
def test_names_are_at_chance_where_hardly_any_is_found(
    found: int, chance: bool, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Saying O everywhere has most words right, and no name. Of 2 · 1 / (200 + 1): 0.995."""
    rows: list[Row] = [YORK] * 100
    tags = [["O"] * 4 if k >= found else ["O", "B-LOC", "O", "O"] for k in range(100)]
    assert FAMILY.at_chance(rows, predict(rows, tags, NER, tokenizer), NER) is chance


def test_a_head_is_handed_over_by_the_library_s_names() -> None:
    assert set(new_head(3).state_dict()) == {"classifier.weight", "classifier.bias"}


@pytest.mark.slow
def test_a_few_updates_on_real_sentences_lower_the_loss(hub: Path) -> None:
    from xtl.data.batches import collate
    from xtl.tasks.entries import DatasetRef
    from xtl.tasks.tables import read_table

    ref = DatasetRef("google/xtreme", "udpos.English", "train", "udpos")
    read = read_table(hub / ref.repo, ref, UPOS, trained=True).rows.select(range(400)).to_list()
    rows = [row for row in read if len(row["tokens"]) < 12][:64]
    tokenizer = small_tokenizer([" ".join(row["tokens"]) for row in rows])
    settings = FeatureSettings(max_length=64, doc_stride=64, labels=UPOS)
    features = MAKER.train_features(rows, tokenizer, settings)
    words = sum(map(FAMILY.targets, features))
    assert words == sum(len(row["tokens"]) for row in rows)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=80,
    )  # fmt: skip
    encoder = XLMRobertaModel(config, add_pooling_layer=False)
    head = FAMILY.head(HeadSettings(hidden_size=32, dropout=0.1, labels=UPOS))
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=5e-3)
    batch = collate(features, pad=1)
    ids, mask, labels = map(torch.from_numpy, (batch.input_ids, batch.mask, batch.labels))
    losses, shares = [], []
    for _ in range(20):
        hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        loss, right = FAMILY.loss(head, hidden, mask, labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss / words)
        optimiser.step()
        losses.append(loss.item() / words)
        shares.append(int(right) / words)
    assert losses[0] == pytest.approx(math.log(len(UPOS)), abs=0.2)
    assert losses[-1] < 0.75 * losses[0]
    assert shares[-1] > 0.35
