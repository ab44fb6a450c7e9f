"""Several tasks in one training: a head each, equal however interrupted or sharded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train import mixed, scenes
from tests.train.ranks import run_ranks
from tests.train.trainings import make_spec
from xtl.model.heads import read_head
from xtl.sweep.shard import TrainSpec
from xtl.train.building import build
from xtl.train.handover import verify_artifact
from xtl.train.mixture import shares
from xtl.train.settings import EngineSettings
from xtl.train.update import dealt

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def life(root: Path) -> dict[str, Any]:
    first, second = run_ranks(2, mixed.life, root)
    assert first["whole"]["artifact_digest"] == second["whole"]["artifact_digest"]
    found: dict[str, Any] = first
    return found


def test_a_head_is_handed_over_for_every_task(life: dict[str, Any], root: Path) -> None:
    artifact = root / "mixed" / "artifact"
    verify_artifact(artifact, life["whole"]["artifact_digest"])
    for part in mixed.mixed_spec().parts:
        assert read_head(artifact, part.task, part.family).labels == part.labels


def test_the_lm_head_leaves_the_word_embeddings_to_the_encoder(
    life: dict[str, Any], root: Path
) -> None:
    head = read_head(root / "mixed" / "artifact", "some-masked-lm", "masked-lm")
    assert sorted(head.tensors) == [
        "bias", "dense.bias", "dense.weight", "layer_norm.bias", "layer_norm.weight",
    ]  # fmt: skip


def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(life: dict[str, Any]) -> None:
    assert life["resumed"]["resumed_from"] == 6
    assert life["resumed"]["artifact_digest"] == life["whole"]["artifact_digest"]


def test_each_tasks_loss_is_logged_by_its_name(life: dict[str, Any]) -> None:
    spec = mixed.mixed_spec()
    counts = [
        sum(f"train/{part.task}/loss" in values for values in life["whole"]["values"])
        for part in spec.parts
    ]
    assert counts == shares([part.weight for part in spec.parts], spec.updates)


def test_the_choices_of_an_example_share_a_micro_batch(root: Path) -> None:
    settings = EngineSettings(ranks=2, zero_stage=1, micro_batch=4)
    spec = mixed.mixed_spec(("multiple-choice",))
    lesson = scenes.lessons_of(mixed.mixed_job(root, "unused", spec, settings)).of(0)
    hands = dealt(lesson, settings)
    everyone = [place for hand in hands for batch in hand for place in batch]
    assert sorted(everyone) == list(range(len(lesson.features)))
    for batch in (batch for hand in hands for batch in hand):
        parts = [lesson.features[place].part for place in batch]
        assert len(batch) <= 4
        assert parts in ([0, 1], [0, 1, 2], [0, 1, 0, 1], [])
    assert len(hands[0]) == len(hands[1])


def test_a_head_is_carried_over_where_the_spec_says_so(life: dict[str, Any], root: Path) -> None:
    artifact = root / "mixed" / "artifact"
    carried = read_head(artifact, "some-span-qa", "span-qa").tensors["weight"]

    def begins_with(spec: TrainSpec) -> bool:
        return torch.equal(build(spec, artifact).heads[0].state_dict()["weight"], carried)

    assert begins_with(make_spec(head_of="some-span-qa"))
    assert not begins_with(make_spec())


def test_a_window_of_a_text_is_an_example_of_its_own(root: Path) -> None:
    """A long text would be an update by itself, and outweigh the short ones."""
    spec = mixed.mixed_spec(("masked-lm",))
    short = spec.recipe.model_copy(update={"max_length": 16})
    spec = spec.model_copy(update={"recipe": short})
    job = mixed.mixed_job(root, "unused", spec, scenes.SETTINGS)
    lessons = scenes.lessons_of(job)
    assert job.pools[0].windows > job.pools[0].rows
    assert {len(lessons.of(update).features) for update in range(3)} == {8}
