"""The artifact: whole, linked where nothing was trained, and told from any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, XLMRobertaModel

from xtl.errors import UserError
from xtl.model.heads import Head
from xtl.train.handover import Published, Weights, digest_of, publish, verify_artifact

EMBEDDINGS = "embeddings.word_embeddings.weight"
LINKED, WRITTEN = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def head(value: float) -> Head:
    return Head("who-where", "span-qa", (), {"weight": torch.full((2, 32), value)})


def weights_after_training(model_folder: Path) -> Weights:
    """As a training gives them: all but the word embeddings moved, and a head."""
    trained = {name: tensor + 1 for name, tensor in load_file(model_folder / WRITTEN).items()}
    return Weights(trained, [head(1.0)], [EMBEDDINGS])


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return tmp_path / "shard" / "artifact"


@pytest.fixture
def published(model_folder: Path, artifact: Path) -> Published:
    weights = weights_after_training(model_folder)
    return publish(artifact, model_folder, weights, fence=lambda: None)


@pytest.mark.usefixtures("published")
def test_anyone_can_load_it(model_folder: Path, artifact: Path) -> None:
    loaded: Any = XLMRobertaModel.from_pretrained(
        artifact, add_pooling_layer=False, output_loading_info=True
    )
    model, report = loaded
    assert not report["missing_keys"] | report["unexpected_keys"]
    expected = dict(weights_after_training(model_folder).encoder)
    expected[EMBEDDINGS] = load_file(model_folder / LINKED)[EMBEDDINGS]
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected[name]), name
    assert AutoTokenizer.from_pretrained(artifact)("a b")["input_ids"][0] == 0


@pytest.mark.usefixtures("published")
def test_frozen_embeddings_are_a_link_and_the_head_lies_apart(
    model_folder: Path, artifact: Path
) -> None:
    assert (artifact / LINKED).samefile(model_folder / LINKED)
    assert load_file(artifact / "head-who-where.safetensors")["weight"].shape == (2, 32)


def test_nothing_is_linked_when_everything_was_trained(model_folder: Path, artifact: Path) -> None:
    encoder = load_file(model_folder / LINKED) | load_file(model_folder / WRITTEN)
    publish(artifact, model_folder, Weights(encoder, [], []), fence=lambda: None)
    assert sorted(load_file(artifact / "model.safetensors")) == sorted(encoder)
    assert not (artifact / LINKED).exists()
    XLMRobertaModel.from_pretrained(artifact, add_pooling_layer=False)


def test_frozen_weights_among_trained_ones_are_copied(model_folder: Path, artifact: Path) -> None:
    weights = weights_after_training(model_folder)
    frozen = "embeddings.position_embeddings.weight"
    encoder = {name: tensor for name, tensor in weights.encoder.items() if name != frozen}
    both = Weights(encoder, [], [EMBEDDINGS, frozen])
    publish(artifact, model_folder, both, fence=lambda: None)
    before = load_file(model_folder / WRITTEN)[frozen]
    assert torch.equal(load_file(artifact / WRITTEN)[frozen], before)


def test_the_digest_is_of_the_content(
    published: Published, model_folder: Path, artifact: Path, tmp_path: Path
) -> None:
    verify_artifact(artifact, published.digest)
    assert digest_of(artifact) == published.digest
    again = publish(
        tmp_path / "again", artifact, weights_after_training(model_folder), fence=lambda: None
    )  # fmt: skip
    assert again == published


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / WRITTEN).unlink(),
        lambda folder: (folder / WRITTEN).write_bytes((folder / WRITTEN).read_bytes()[:-1]),
        lambda folder: (folder / "config.json").write_text("{}"),
        lambda folder: (folder / "DIGEST.json").unlink(),
        lambda folder: (folder / "DIGEST.json").write_text('{"digest": "made up"}'),
    ],
)
def test_a_damaged_artifact_is_refused(
    published: Published, artifact: Path, damage: Callable[[Path], object]
) -> None:
    damage(artifact)
    with pytest.raises(UserError, match=str(artifact)):
        verify_artifact(artifact, published.digest)


@pytest.mark.usefixtures("published")
def test_another_trainings_artifact_is_refused(artifact: Path) -> None:
    with pytest.raises(UserError, match=r"found digest .*, expected 0123"):
        verify_artifact(artifact, "0123")


def test_publishing_again_replaces_what_was_there(
    published: Published, model_folder: Path, artifact: Path
) -> None:
    weights = weights_after_training(model_folder)
    other = Weights(weights.encoder, [head(0.0)], weights.frozen)
    replaced = publish(artifact, model_folder, other, fence=lambda: None)
    assert replaced.digest != published.digest
    verify_artifact(artifact, replaced.digest)
    assert [path.name for path in artifact.parent.iterdir()] == ["artifact"]


def test_an_attempt_that_was_overtaken_changes_nothing(
    published: Published, model_folder: Path, artifact: Path
) -> None:
    def overtaken() -> None:
        raise RuntimeError("overtaken")

    with pytest.raises(RuntimeError, match="overtaken"):
        publish(artifact, model_folder, Weights({}, [], [EMBEDDINGS]), fence=overtaken)
    verify_artifact(artifact, published.digest)


def test_an_overtaken_attempt_leaves_alone_what_the_later_one_is_writing(
    model_folder: Path, artifact: Path
) -> None:
    written = artifact.with_name(".artifact.new-1") / "half"
    written.parent.mkdir(parents=True)
    written.touch()

    def overtaken() -> None:
        raise RuntimeError("overtaken")

    with pytest.raises(RuntimeError, match="overtaken"):
        publish(artifact, model_folder, weights_after_training(model_folder), fence=overtaken)
    assert [*artifact.parent.rglob("*")] == [written.parent, written]


def test_what_a_killed_attempt_left_is_cleared_away(model_folder: Path, artifact: Path) -> None:
    left = artifact.with_name(".artifact.new-1")
    left.mkdir(parents=True)
    (left / "half").touch()
    publish(artifact, model_folder, weights_after_training(model_folder), fence=lambda: None)
    assert not left.exists()
