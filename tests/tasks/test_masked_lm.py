from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    ElectraConfig,
    ElectraForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from xtl.data.batches import IGNORED_LABEL, collate, deal
from xtl.errors import UserError
from xtl.tasks.families import evaluable_family, trainable_family
from xtl.tasks.family import Feature, HeadSettings, Vocabulary
from xtl.tasks.lm_weights import PARTS, lm_head_in
from xtl.tasks.masked_lm import FAMILY, LMHead

SPECIAL = frozenset({0, 1, 2, 3, 39})
WORDS = Vocabulary(size=40, mask=39, special=SPECIAL)
LONG = Feature(example=0, input_ids=(0, *(4 + k % 30 for k in range(20_000)), 2))


def drawn(*features: Feature, seed: tuple[int, ...] = (3, 0)) -> list[Feature]:
    return list(FAMILY.drawn(features, lambda: WORDS, seed))


def text_of(*ids: int, example: int = 0) -> Feature:
    return Feature(example, (0, *ids, 2))


def shares(before: Feature, after: Feature) -> tuple[float, float, float, float]:
    """Of all ordinary tokens those chosen; of these: masks, other tokens, the same ones."""
    places = [k for k, label in enumerate(after.labels) if label != IGNORED_LABEL]
    seen = [after.input_ids[k] for k in places]
    kept = sum(after.input_ids[k] == before.input_ids[k] for k in places)
    masks = sum(token == WORDS.mask for token in seen)
    whole = len(seen)
    return (
        whole / (len(before.input_ids) - 2),
        masks / whole,
        (whole - masks - kept) / whole,
        kept / whole,
    )


# -- masks --------------------------------------------------------------------------------------
def test_masks_are_drawn_in_berts_proportions() -> None:
    """20,000 tokens: each share within four standard errors."""
    chosen, masks, others, kept = shares(LONG, drawn(LONG)[0])
    assert chosen == pytest.approx(0.15, abs=0.0101)
    assert masks == pytest.approx(0.8, abs=0.0292)
    # One of 35 ordinary tokens is drawn to stand for itself, which reads as kept.
    assert others == pytest.approx(0.1 * 34 / 35, abs=0.0219)
    assert kept == pytest.approx(0.1 + 0.1 / 35, abs=0.0219)


def test_tokens_that_are_put_in_are_any_ordinary_ones_and_about_as_often() -> None:
    (after,) = drawn(*[LONG], seed=(1, 1))
    places = [k for k, label in enumerate(after.labels) if label != IGNORED_LABEL]
    put = [after.input_ids[k] for k in places if after.input_ids[k] not in (39, after.labels[k])]
    assert set(put) == set(range(4, 39))
    expected = len(put) / 35
    assert sum((put.count(k) - expected) ** 2 for k in range(4, 39)) / expected < 65  # chi², 0.1%


ids = st.lists(st.integers(0, 39), max_size=40).map(tuple)


@given(ids, st.lists(st.integers(0, 2**40), min_size=1, max_size=4))
def test_labels_are_the_tokens_own_and_special_ones_stay(
    tokens: tuple[int, ...], seed: list[int]
) -> None:
    before = Feature(7, tokens, part=1)
    (after,) = drawn(before, seed=tuple(seed))
    assert (after.example, after.part, len(after.labels)) == (7, 1, len(tokens))
    for old, new, label in zip(tokens, after.input_ids, after.labels, strict=True):
        assert label in ((IGNORED_LABEL,) if old in SPECIAL else (IGNORED_LABEL, old))
        assert label != IGNORED_LABEL or new == old
        assert new == WORDS.mask or new == old or new not in SPECIAL
    assert FAMILY.targets(after) >= (not SPECIAL.issuperset(tokens))


def test_a_text_of_one_token_has_it_for_a_target_whatever_the_seed() -> None:
    assert {FAMILY.targets(drawn(text_of(5), seed=(k,))[0]) for k in range(50)} == {1}


def test_a_text_of_special_tokens_alone_has_no_target() -> None:
    assert FAMILY.targets(drawn(text_of(3, 3))[0]) == 0


def test_every_seed_gives_other_masks() -> None:
    text = text_of(*range(4, 38))
    assert len({drawn(text, seed=(3, update))[0].input_ids for update in range(20)}) == 20


def test_masks_do_not_depend_on_how_an_update_is_dealt_or_on_the_rows_number() -> None:
    texts = [text_of(*range(4, 4 + k), example=k) for k in range(1, 30)]
    whole = drawn(*texts)
    hands = deal([len(each.input_ids) for each in texts], ranks=2, micro_batch=4)
    for places in (places for hand in hands for places in hand):
        assert drawn(*[texts[k] for k in places]) == [whole[k] for k in places]
    (moved,) = drawn(text_of(*range(4, 33), example=99))
    assert moved.input_ids == whole[-1].input_ids


def test_two_windows_of_one_text_have_masks_of_their_own() -> None:
    first, second = drawn(text_of(*range(4, 38)), text_of(*range(37, 3, -1)))
    hidden = [[k for k, label in enumerate(each.labels) if label >= 0] for each in (first, second)]
    assert hidden[0] != hidden[1]


def test_masks_are_the_same_everywhere() -> None:
    """The stream of PCG64 is numpy's promise; other figures here make a new recipe version."""
    (after,) = drawn(text_of(*range(10, 30)), seed=(3, 11))
    assert {k: label for k, label in enumerate(after.labels) if label >= 0} == {
        3: 12,
        11: 20,
        12: 21,
        14: 23,
    }
    assert after.input_ids[3] == 12
    assert after.input_ids[11] == 12
    assert (after.input_ids[12], after.input_ids[14]) == (WORDS.mask, WORDS.mask)


# -- head and loss ------------------------------------------------------------------------------
def library_model(seed: int = 0) -> XLMRobertaForMaskedLM:
    """Tiny, dropout off, every parameter random (biases too)."""
    config = XLMRobertaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=20, layer_norm_eps=1e-5,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = XLMRobertaForMaskedLM(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    model.train(False)
    return model


def embeddings_of(model: XLMRobertaForMaskedLM) -> nn.Embedding:
    return model.roberta.embeddings.word_embeddings


def settings(model: XLMRobertaForMaskedLM, start: Path | None) -> HeadSettings:
    return HeadSettings(16, 0.0, embeddings=embeddings_of(model), start=start)


def gradients(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    named = module.named_parameters(prefix)
    return {name: each.grad.clone() for name, each in named if each.grad is not None}


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """(ids, mask, labels) of three drawn texts, padded."""
    made = collate(drawn(*(text_of(*range(4, 4 + k)) for k in (6, 15, 11))), pad=1)
    ids, mask, labels = map(torch.from_numpy, (made.input_ids, made.mask, made.labels))
    return ids, mask, labels


def test_loss_and_gradients_are_those_of_the_library(tmp_path: Path) -> None:
    model = library_model()
    model.save_pretrained(tmp_path)
    head = FAMILY.head(settings(model, tmp_path))
    tokens, mask, labels = batch()
    expected = model(input_ids=tokens, attention_mask=mask, labels=labels).loss
    torch.autograd.backward(expected)
    theirs = gradients(model, "")
    model.zero_grad()
    hidden = model.roberta(input_ids=tokens, attention_mask=mask).last_hidden_state
    loss, _ = FAMILY.loss(head, hidden, mask, labels)
    mean = loss / (labels >= 0).sum()
    torch.autograd.backward(mean)
    assert mean.item() == pytest.approx(expected.item(), rel=1e-6)
    ours = gradients(model.roberta, "roberta") | gradients(head, "lm_head")
    tied = "lm_head.decoder.weight"  # either name may stand for the one Parameter
    theirs.setdefault("roberta.embeddings.word_embeddings.weight", theirs.pop(tied))
    assert ours.keys() - {tied} == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6)


def test_scores_are_those_of_the_librarys_head(tmp_path: Path) -> None:
    model = library_model()
    model.save_pretrained(tmp_path)
    head, hidden = FAMILY.head(settings(model, tmp_path)), torch.randn(2, 5, 16)
    torch.testing.assert_close(head(hidden), model.lm_head(hidden))
    torch.testing.assert_close(head(hidden[:1, :1]), model.lm_head(hidden)[:1, :1])


def test_the_loss_of_even_scores_is_the_log_of_the_vocabulary_and_counts_hits() -> None:
    embeddings = nn.Embedding(40, 8)
    nn.init.zeros_(embeddings.weight)
    head = LMHead(embeddings, eps=1e-5)
    hidden, mask = torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.long)
    labels = torch.tensor([[IGNORED_LABEL, 0, 7, IGNORED_LABEL]])
    loss, right = FAMILY.loss(head, hidden, mask, labels)
    assert loss.item() == pytest.approx(2 * math.log(40), rel=1e-6)
    assert right == 1  # even scores point at the first piece


def test_the_head_learns_to_guess() -> None:
    torch.manual_seed(0)
    head = LMHead(nn.Embedding(40, 8), eps=1e-5)
    hidden, mask = torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.long)
    labels = torch.tensor([[IGNORED_LABEL, 5, 17, 30]])
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.05)
    for _ in range(60):
        loss, right = FAMILY.loss(head, hidden, mask, labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert right == 3


def test_the_decoder_is_the_word_embeddings_themselves() -> None:
    model = library_model()
    head = FAMILY.head(settings(model, None))
    assert head.get_parameter("decoder.weight") is embeddings_of(model).weight
    whole = nn.ModuleDict({"encoder": model.roberta, "head": head})
    own = [name for name, _ in whole.named_parameters() if name.startswith("head.")]
    assert sorted(own) == [f"head.{part}" for part in PARTS]


def test_what_is_saved_of_a_head_is_its_own_and_can_be_loaded_whole() -> None:
    torch.manual_seed(0)
    head, other = (LMHead(nn.Embedding(40, 8), eps=1e-5) for _ in range(2))
    state = head.state_dict()
    assert sorted(state) == list(PARTS)
    other.load_state_dict(state)
    assert torch.equal(other.dense.weight, head.dense.weight)
    del state["bias"]
    with pytest.raises(RuntimeError, match='"bias"'):
        other.load_state_dict(state)


def test_frozen_embeddings_stay_frozen_and_all_else_gets_a_gradient() -> None:
    model = library_model()
    embeddings_of(model).weight.requires_grad_(False)
    head = FAMILY.head(settings(model, None))
    hidden = torch.randn(3, 17, 16, requires_grad=True)
    _, mask, labels = batch()
    torch.autograd.backward(FAMILY.loss(head, hidden, mask, labels)[0])
    assert hidden.grad is not None
    without = [name for name, each in head.named_parameters() if each.grad is None]
    assert without == ["decoder.weight"]


# -- where a head comes from --------------------------------------------------------------------
def test_a_model_without_a_head_gets_a_new_one(tmp_path: Path) -> None:
    model = library_model()
    model.roberta.save_pretrained(tmp_path)
    assert not lm_head_in(tmp_path)
    head = FAMILY.head(settings(model, tmp_path))
    assert head.get_parameter("dense.weight").std().item() == pytest.approx(0.02, rel=0.2)
    assert not head.get_parameter("bias").any()


def test_a_models_own_head_is_taken(tmp_path: Path) -> None:
    model = library_model()
    model.save_pretrained(tmp_path)
    assert lm_head_in(tmp_path)
    head = FAMILY.head(settings(model, tmp_path))
    assert torch.equal(head.get_parameter("dense.weight"), model.lm_head.dense.weight)


def test_half_a_head_is_none(tmp_path: Path) -> None:
    model = library_model()
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["lm_head.layer_norm.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    assert not lm_head_in(tmp_path)


def test_berts_names_are_known_too(tmp_path: Path) -> None:
    parts = ("transform.dense.weight", "transform.dense.bias", "transform.LayerNorm.gamma",
             "transform.LayerNorm.beta", "bias")  # fmt: skip
    shapes = {"transform.dense.weight": (16, 16), "bias": (40,)}
    tensors = {
        f"cls.predictions.{part}": torch.full(shapes.get(part, (16,)), float(number))
        for number, part in enumerate(parts)
    }
    save_file(tensors, tmp_path / "model.safetensors")
    assert lm_head_in(tmp_path)
    head = FAMILY.head(settings(library_model(), tmp_path))
    taken: dict[str, Any] = {name: each[..., 0].max() for name, each in head.named_parameters()}
    del taken["decoder.weight"]
    assert taken == {
        "dense.weight": 0, "dense.bias": 1, "layer_norm.weight": 2, "layer_norm.bias": 3, "bias": 4,
    }  # fmt: skip


def test_a_head_without_embeddings_cannot_be() -> None:
    with pytest.raises(ValueError, match="none were given"):
        FAMILY.head(HeadSettings(16, 0.0))


@pytest.mark.parametrize("with_head", [True, False])
def test_embeddings_of_another_width_than_the_layers_are_refused(
    tmp_path: Path, with_head: bool
) -> None:
    """As ELECTRA's small models and RemBERT have them."""
    config = ElectraConfig(
        vocab_size=40, embedding_size=8, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32,
    )  # fmt: skip
    model = ElectraForMaskedLM(config)
    (model if with_head else model.electra).save_pretrained(tmp_path)
    embeddings = model.electra.embeddings.word_embeddings
    words = rf"masked_text: found {tmp_path} with word embeddings of width 8 and layers of 16, "
    with pytest.raises(UserError, match=words):
        FAMILY.head(HeadSettings(16, 0.0, embeddings=embeddings, start=tmp_path))


def test_the_family_can_be_trained_on_and_not_evaluated_on() -> None:
    assert trainable_family("masked-lm") is FAMILY
    with pytest.raises(UserError, match="'masked-lm' cannot be evaluated on"):
        evaluable_family("masked-lm")
