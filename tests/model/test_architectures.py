"""What is declared of each architecture, held against transformers' own class of it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from tests.model.encoders import (
    HIDDEN,
    LAYERS,
    VOCABULARY,
    config_of,
    word_piece,
    write_encoder,
)
from xtl.errors import UserError
from xtl.model.architectures import (
    ARCHITECTURES,
    UNKNOWN,
    architecture,
    is_word_embeddings,
    most_tokens,
    sizes,
)
from xtl.model.encoder import freeze, load_encoder, read_at, segments, word_embeddings

UNLISTED = "mpnet"  # one that transformers has, and xtl does not know
TEXTS = ["The Ouse rises near York.", "Where does it rise?"]
PAIR = [2, 40, 41, 42, 3, 50, 51, 3]


@pytest.fixture(scope="module", params=[*ARCHITECTURES, UNLISTED])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(request.param)
    write_encoder(made, request.param)
    word_piece(TEXTS).save_pretrained(made)
    return made


def batch() -> tuple[Tensor, Tensor]:
    """A pair, and a shorter text that is padded."""
    ids = torch.tensor([PAIR, [2, 60, 61, 3, 0, 0, 0, 0]])
    mask = torch.tensor([[1] * 8, [1] * 4 + [0] * 4])
    return ids, mask


def every_layer(folder: Path, types: Tensor | None) -> tuple[Tensor, ...]:
    """The outputs that transformers' own class gives, 0 = embeddings."""
    ids, mask = batch()
    model = transformers.AutoModel.from_pretrained(folder).train(False)
    given = {} if types is None else {"token_type_ids": types}
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, **given)
    return tuple(found.hidden_states)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
def test_what_is_read_is_that_layer_of_transformers_own(folder: Path, layer: int) -> None:
    ids, mask = batch()
    types = segments(ids, 3) if architecture(folder).segments else None
    encoder = load_encoder(folder, dropout=0.0).train(False)
    read_at(encoder, layer)
    with torch.no_grad():
        found = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    expected = every_layer(folder, types)[layer]
    assert torch.equal(found[mask.bool()], expected[mask.bool()])


def test_a_layer_that_nobody_reads_is_not_run_where_it_can_be_cut(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.0)
    read_at(encoder, 1)
    layers = architecture(folder).layers
    if layers:
        kept = encoder.get_submodule(layers)
        assert isinstance(kept, nn.ModuleList)
        assert len(kept) == 1


def test_dropout_is_everywhere_what_was_asked_for(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.25).train()
    assert {each.p for each in encoder.modules() if isinstance(each, nn.Dropout)} == {0.25}
    ids, mask = batch()
    one, other = (encoder(input_ids=ids, attention_mask=mask).last_hidden_state for _ in range(2))
    assert not torch.equal(one, other)


def test_without_dropout_training_mode_draws_nothing(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.0).train()
    ids, mask = batch()
    one, other = (encoder(input_ids=ids, attention_mask=mask).last_hidden_state for _ in range(2))
    assert torch.equal(one, other)


def test_its_word_embeddings_are_found_and_frozen_alone(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.0)
    assert word_embeddings(encoder).num_embeddings == VOCABULARY
    freeze(encoder, ["word_embeddings"])
    (fixed,) = [name for name, each in encoder.named_parameters() if not each.requires_grad]
    shape = (VOCABULARY, word_embeddings(encoder).embedding_dim)
    assert is_word_embeddings(architecture(folder), fixed, shape, VOCABULARY)


def test_the_lock_s_figures_are_those_of_its_configuration(folder: Path) -> None:
    found = sizes(folder)
    assert (found.layers, found.hidden, found.heads) == (LAYERS, HIDDEN, 4)


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_it_takes_as_many_tokens_as_is_said_and_no_more(tmp_path: Path, model_type: str) -> None:
    write_encoder(tmp_path, model_type)
    word_piece(TEXTS).save_pretrained(tmp_path)
    most = most_tokens(tmp_path)
    expected = {"xlm-roberta": 64, "roberta": 64, "camembert": 64, "deberta-v2": None}
    assert most == expected.get(model_type, 66)
    encoder = load_encoder(tmp_path, dropout=0.0, max_length=most).train(False)
    ids = torch.full((1, most or 200), 7)
    with torch.no_grad():
        encoder(input_ids=ids, attention_mask=torch.ones_like(ids))
    if most is not None:
        with pytest.raises(UserError, match=f"found {most + 1}, expected at most {most}, the pos"):
            load_encoder(tmp_path, dropout=0.0, max_length=most + 1)


@pytest.mark.parametrize("model_type", [name for name in ARCHITECTURES if name != "modernbert"])
def test_a_checkpoint_with_a_head_gives_its_encoder(tmp_path: Path, model_type: str) -> None:
    torch.manual_seed(1)
    kind: Any = transformers.AutoModelForTokenClassification
    with_head = kind.from_config(config_of(model_type))
    with_head.save_pretrained(tmp_path)
    word_piece(TEXTS).save_pretrained(tmp_path)
    found = dict(load_encoder(tmp_path, dropout=0.0).named_parameters())
    expected = dict(with_head.base_model.named_parameters())
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_segments_are_those_of_transformers_own_tokenizer(tmp_path: Path) -> None:
    tokenizer = word_piece(TEXTS)
    coded = tokenizer(
        [(TEXTS[1], TEXTS[0]), (TEXTS[0], "York"), ("it", "near")],
        padding=True,
        return_tensors="pt",
    )
    assert coded["token_type_ids"].sum() > 0
    assert torch.equal(
        segments(coded["input_ids"], tokenizer.sep_token_id), coded["token_type_ids"]
    )
    alone = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert not segments(alone["input_ids"], tokenizer.sep_token_id).any()


def test_a_model_without_a_second_segment_is_given_none(tmp_path: Path) -> None:
    model = write_encoder(tmp_path, "bert")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}))
    weights = dict(model.state_dict())
    name = "embeddings.token_type_embeddings.weight"
    from safetensors.torch import save_file

    save_file(
        weights | {name: weights[name][:1].clone()},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    ids, mask = batch()
    encoder = load_encoder(tmp_path, dropout=0.0).train(False)
    assert encoder(input_ids=ids, attention_mask=mask).last_hidden_state.isfinite().all()


def test_one_that_is_not_listed_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from xtl.model import encoder as encoders

    encoders._say_once.cache_clear()
    write_encoder(tmp_path, UNLISTED)
    assert architecture(tmp_path) == UNKNOWN
    with caplog.at_level(logging.WARNING):
        load_encoder(tmp_path, dropout=0.1)
        load_encoder(tmp_path, dropout=0.1)
    (said,) = [record.message for record in caplog.records if record.name == encoders.__name__]
    assert said.startswith(f"model_type {UNLISTED} is not one that xtl knows (xlm-roberta, ")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "mine", "auto_map": {"AutoModel": "own.Model"}}, "found 'mine', expected"),
        ({"hidden_size": 4}, "model_type: found None, expected one that transformers has"),
        ({"model_type": "t5"}, "found t5, an encoder-decoder, expected an encoder"),
        ({"model_type": "clip"}, "found no num_hidden_layers or hidden_size, expected an encoder"),
    ],
)  # fmt: skip
def test_what_is_no_encoder_of_transformers_is_one_clear_line(
    tmp_path: Path, config: dict[str, object], words: str
) -> None:
    (tmp_path / "own.py").write_text("raise SystemExit('code of a model was run')")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=words):
        sizes(tmp_path)


def test_a_folder_without_a_configuration_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json: found no JSON object, expected"):
        architecture(tmp_path)
