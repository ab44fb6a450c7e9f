"""The encoder: loaded as it lies there, partly frozen, joined with a head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tiny import HIDDEN, make_tiny_encoder
from xtl.errors import UserError
from xtl.model.encoder import TaskModel, freeze, load_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    make_tiny_encoder(made)
    return made


def test_it_comes_in_fp32_with_the_dropout_that_was_asked_for(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.25)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert {each.p for each in encoder.modules() if isinstance(each, nn.Dropout)} == {0.25}


def test_weights_that_are_not_safetensors_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        load_encoder(tmp_path, dropout=0.0)


def test_only_the_frozen_part_is_left_out_of_training(folder: Path) -> None:
    encoder = load_encoder(folder, dropout=0.0)
    freeze(encoder, ["word_embeddings"])
    fixed = [name for name, each in encoder.named_parameters() if not each.requires_grad]
    assert fixed == ["embeddings.word_embeddings.weight"]


def test_an_unknown_part_is_the_users_error(folder: Path) -> None:
    with pytest.raises(UserError, match="found 'pooler', expected one of word_embeddings"):
        freeze(load_encoder(folder, dropout=0.0), ["pooler"])


def test_padding_does_not_change_the_loss(folder: Path) -> None:
    def loss(head: nn.Module, hidden: Tensor, mask: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        scores = head(hidden)[:, :, 0].masked_fill(~mask.bool(), float("-inf"))
        return nn.functional.cross_entropy(scores, labels[:, 0], reduction="sum"), labels.sum()

    torch.manual_seed(1)
    model = TaskModel(load_encoder(folder, dropout=0.0), [nn.Linear(HIDDEN, 1)], [loss])  # type: ignore[list-item]
    ids, labels = torch.tensor([[0, 10, 20, 2]]), torch.tensor([[1]])
    padded = torch.cat([ids, torch.ones(1, 3, dtype=torch.long)], dim=1)
    mask = (padded != 1).long()
    with torch.no_grad():
        alone, _ = model(ids, torch.ones_like(ids), labels)
        together, _ = model(padded, mask, labels)
    assert torch.allclose(alone, together, atol=1e-5)
