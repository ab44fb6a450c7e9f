"""Real sentence pairs and multiple choice: no window is too long, no choice cut, and they teach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast, XLMRobertaModel

from tests.tasks.choosing import batch_of
from tests.tiny import HIDDEN, make_tiny_encoder
from xtl.model.tokenizer import load_tokenizer
from xtl.tasks import choice_maker, pair_maker
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.entries import DatasetRef
from xtl.tasks.family import Feature, FeatureSettings, HeadSettings
from xtl.tasks.multiple_choice import FAMILY
from xtl.tasks.span_features import special_tokens
from xtl.tasks.tables import read_table

SPECIAL = 4
_PAWS = "google-research-datasets/paws-x"
PAIRS = [
    *(EVALUATION_SETS[name].data for name in ("mnli-dev", "snli-dev", "qqp-dev")),
    *(EVALUATION_SETS[f"anli-r{number}"].data for number in (1, 2, 3)),
    *(ref for ref in TASKS["anli+"].tables if ref.repo == "facebook/anli"),
    *(EVALUATION_SETS["xnli"].table(language) for language in ("en", "th")),
    *(DatasetRef(_PAWS, language, "validation", "paws-x") for language in ("en", "ja")),
]
CHOICES = [
    EVALUATION_SETS[name].data for name in ("hellaswag-dev", "cosmosqa-dev", "commonsenseqa-dev")
]


def named(ref: DatasetRef) -> str:
    return f"{ref.repo}/{ref.config}/{ref.split}"


def rows_of(hub: Path, ref: DatasetRef, limit: int = 2000) -> list[dict[str, Any]]:
    rows = read_table(hub / ref.repo, ref).rows
    chosen: list[dict[str, Any]] = rows.select(range(min(limit, len(rows)))).to_list()
    return chosen


def settings(max_length: int) -> FeatureSettings:
    return FeatureSettings(max_length=max_length, doc_stride=1)


def token_ids(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    coded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return coded


def is_cut_right(feature: Feature, one: list[int], other: list[int], max_length: int) -> bool:
    """Whether both sentences' beginnings are there, all of them that fits, and of neither less
    than half of the room where it has that many tokens."""
    end, half = feature.input_ids.index(2), (max_length - SPECIAL) // 2
    kept, also = list(feature.input_ids[1:end]), list(feature.input_ids[end + 2 : -1])
    return (
        len(feature.input_ids) == min(len(one) + len(other) + SPECIAL, max_length)
        and (kept, also) == (one[: len(kept)], other[: len(also)])
        and len(kept) >= min(len(one), half)
        and len(also) >= min(len(other), half)
    )


@pytest.mark.slow
@pytest.mark.parametrize("ref", PAIRS, ids=named)
def test_a_real_pair_is_whole_or_cut_from_its_longer_sentence(
    ref: DatasetRef, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = rows_of(hub, ref)
    first, second = (
        token_ids([row[name] for row in rows], xlmr_tokenizer)
        for name in ("sentence1", "sentence2")
    )
    for max_length in (256, 48):
        features = pair_maker.MAKER.train_features(rows, xlmr_tokenizer, settings(max_length))
        assert [each.labels for each in features] == [(row["label"],) for row in rows]
        wrong = [
            each.example
            for each, one, other in zip(features, first, second, strict=True)
            if not is_cut_right(each, one, other, max_length)
        ]
        assert (len(features), wrong) == (len(rows), [])


@pytest.mark.slow
@pytest.mark.parametrize("ref", CHOICES, ids=named)
def test_a_real_choice_is_never_cut(
    ref: DatasetRef, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = rows_of(hub, ref, limit=3000)
    prompts = token_ids([row["prompt"] for row in rows], xlmr_tokenizer)
    choices = token_ids([text for row in rows for text in row["choices"]], xlmr_tokenizer)
    before, between, after = special_tokens(xlmr_tokenizer)
    tight = max(map(len, choices)) + SPECIAL + 2
    for max_length in (256, tight):
        features = choice_maker.MAKER.train_features(rows, xlmr_tokenizer, settings(max_length))
        expected = []
        for feature, choice in zip(features, choices, strict=True):
            prompt = prompts[feature.example][: max_length - SPECIAL - len(choice)]
            expected.append((*before, *prompt, *between, *choice, *after))
        assert [each.input_ids for each in features] == expected
        assert max(map(len, expected)) <= max_length


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hellaswag-dev", "commonsenseqa-dev"])
def test_some_updates_on_real_choices_lower_the_loss(name: str, hub: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make_tiny_encoder(tmp_path)
    rows = rows_of(hub, EVALUATION_SETS[name].data, limit=32)
    maker, tokenizer = choice_maker.MAKER, load_tokenizer(tmp_path)
    ids, mask, labels = batch_of(maker.train_features(rows, tokenizer, settings(64)))
    encoder = XLMRobertaModel.from_pretrained(tmp_path, add_pooling_layer=False)
    head = FAMILY.head(HeadSettings(hidden_size=HIDDEN, dropout=0.0))
    encoder.train(False)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    losses = []
    for _ in range(40):
        hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        loss, right = FAMILY.loss(head, hidden, mask, labels)
        losses.append(loss.item() / len(rows))
        optimiser.zero_grad()
        torch.autograd.backward(loss / len(rows))
        optimiser.step()
    even = torch.tensor(float(len(rows[0]["choices"]))).log().item()
    assert losses[0] == pytest.approx(even, abs=0.05)
    assert losses[-1] < 0.6 * losses[0], losses
    assert right > len(rows) / 2
