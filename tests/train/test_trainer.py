"""A training's life: equal however often it is interrupted, and handed over as it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import XLMRobertaModel

from tests.train import scenes
from tests.train.ranks import run_ranks
from tests.train.trainings import make_job, make_part, make_rows, make_spec
from xtl.data.subsets import ranking, row_digests
from xtl.model.tokenizer import load_tokenizer
from xtl.tasks.family import FeatureSettings
from xtl.tasks.span_maker import MAKER
from xtl.train.handover import digest_of, verify_artifact
from xtl.train.trainer import TrainJob

pytestmark = pytest.mark.slow


def test_one_rank_is_enough_to_agree_and_rank_0_speaks_for_all(
    lives: list[dict[str, Any]],
) -> None:
    assert [rank["agreed"] for rank in lives] == [(True, False, "rank 0")] * 2


def test_all_ranks_tell_the_same_outcome(lives: list[dict[str, Any]]) -> None:
    timed = {"seconds", "phases", "utilisation", "values"}
    for name in ("whole", "stopped", "resumed"):
        first, second = ({k: v for k, v in rank[name].items() if k not in timed} for rank in lives)
        assert first == second


def test_a_training_ends_with_an_artifact_that_anyone_can_load(
    life: dict[str, Any], root: Path
) -> None:
    whole = life["whole"]
    assert (whole["updates"], whole["resumed_from"], whole["stopped"]) == (7, 0, False)
    verify_artifact(root / "whole" / "artifact", whole["artifact_digest"])
    XLMRobertaModel.from_pretrained(root / "whole" / "artifact", add_pooling_layer=False)
    sizes = [path.stat().st_size for path in (root / "whole" / "artifact").iterdir()]
    assert 0 < whole["artifact_bytes"] < sum(sizes)  # all files but DIGEST.json


def test_it_learns(life: dict[str, Any]) -> None:
    assert life["whole"]["final_loss"] < life["whole"]["values"][0]["train/loss"] - 0.1
    assert not life["whole"]["degenerate"]


def test_every_update_is_reported(life: dict[str, Any]) -> None:
    values = life["whole"]["values"]
    assert len(values) == 7
    assert {"train/loss", "train/lr", "train/useful_tokens_per_s", "train/padding_share"} <= set(
        values[0]
    )
    assert [round(each["train/lr"], 6) for each in values[:3]] == [0.0, 0.002, 0.001667]
    assert all(0 <= each["train/padding_share"] < 1 for each in values)


def test_every_update_says_where_its_time_went(life: dict[str, Any]) -> None:
    whole, parts = life["whole"], ("data", "forward", "backward", "step")
    for values in whole["values"]:
        assert all(values[f"seconds/{part}"] > 0 for part in parts)
    spent = {part: sum(each[f"seconds/{part}"] for each in whole["values"]) for part in parts}
    assert {part: whole["phases"][part] for part in parts} == pytest.approx(spent)
    assert 0.5 * whole["seconds"] < sum(spent.values()) < whole["seconds"]
    assert whole["phases"]["hand-over"] > 0


def test_a_resumed_trainings_times_count_the_attempts_before(life: dict[str, Any]) -> None:
    resumed = life["resumed"]
    own = sum(values["seconds/step"] for values in resumed["values"])
    before = sum(values["seconds/step"] for values in life["stopped"]["values"])
    assert resumed["phases"]["step"] == pytest.approx(before + own)


def test_saving_is_told_with_the_update_that_follows(life: dict[str, Any]) -> None:
    values = life["saved often"]["values"]
    assert ["seconds/checkpoint" in each for each in values] == [False, True, True, True]


def test_memory_is_the_most_so_far_and_a_cpu_has_no_utilisation(life: dict[str, Any]) -> None:
    whole = life["whole"]
    peaks = [values["memory/peak_gib"] for values in whole["values"]]
    assert 0.1 < peaks[0] <= peaks[-1] <= whole["memory_bytes"] / 2**30 < 4
    assert peaks == sorted(peaks)
    assert whole["utilisation"] is None
    assert not any("train/utilisation" in values for values in whole["values"])


def test_the_same_spec_gives_the_same_artifact_in_a_process_that_trained_before(
    life: dict[str, Any],
) -> None:
    assert life["again"]["artifact_digest"] == life["whole"]["artifact_digest"]
    assert life["groups"] == 2  # the world, and DeepSpeed's clone of it: none is left behind
    assert life["engines"] == 0  # a next training would lie beside the states of all before
    assert life["left by ZeRO 3"] <= 0


def test_a_stop_saves_and_leaves_no_artifact(life: dict[str, Any]) -> None:
    stopped = life["stopped"]
    assert (stopped["updates"], stopped["stopped"], stopped["artifact_digest"]) == (3, True, None)


def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(life: dict[str, Any]) -> None:
    resumed, whole = life["resumed"], life["whole"]
    assert resumed["resumed_from"] == 3
    assert resumed["artifact_digest"] == whole["artifact_digest"]
    for name in ("final_loss", "useful_tokens", "updates"):
        assert resumed[name] == whole[name]


def test_the_last_two_checkpoints_are_kept(life: dict[str, Any]) -> None:
    assert life["tags"] == ["step-000003", "step-000004"]


def test_a_truncated_checkpoint_gives_way_to_the_one_before(life: dict[str, Any]) -> None:
    assert life["fallen back"]["resumed_from"] == 3
    assert life["fallen back"]["artifact_digest"] == life["whole"]["artifact_digest"]


def test_a_child_starts_from_its_parents_artifact(life: dict[str, Any], root: Path) -> None:
    child, parent = root / "child" / "artifact", root / "whole" / "artifact"
    assert digest_of(child) == life["child"]["artifact_digest"] != digest_of(parent)
    linked = "model-00001-of-00002.safetensors"
    assert (child / linked).samefile(root / "model" / linked)
    assert [path.name for path in child.glob("head-*")] == ["head-other.safetensors"]


def test_frozen_embeddings_are_the_public_models_and_nothing_else_is(
    life: dict[str, Any], root: Path
) -> None:
    before = XLMRobertaModel.from_pretrained(root / "model", add_pooling_layer=False).state_dict()
    after = XLMRobertaModel.from_pretrained(
        root / "whole" / "artifact", add_pooling_layer=False
    ).state_dict()
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert unchanged == ["embeddings.word_embeddings.weight"]


def test_the_artifact_holds_fp32_masters_not_their_bf16_rounding(
    life: dict[str, Any], root: Path
) -> None:
    written = load_file(root / "whole" / "artifact" / "model-00002-of-00002.safetensors")
    assert {tensor.dtype for tensor in written.values()} == {torch.float32}
    assert not any(torch.equal(each, each.bfloat16().float()) for each in written.values())


@pytest.fixture(scope="module")
def failures(root: Path) -> list[dict[str, str]]:
    return run_ranks(2, scenes.failures, root)


def test_an_overtaken_attempt_commits_nothing(failures: list[dict[str, str]], root: Path) -> None:
    assert [rank["fence"] for rank in failures] == ["Overtaken: attempt 2 has it"] * 2
    assert not [*(root / "fenced").rglob("COMPLETE.json")]
    assert not (root / "fenced" / "artifact").exists()


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_divergence_is_told_on_every_rank_and_hands_nothing_over(
    failures: list[dict[str, str]], root: Path, precision: str
) -> None:
    first, second = (rank[precision] for rank in failures)
    assert first == second
    assert first.startswith("DivergedError: update 3")
    assert not (root / precision / "artifact").exists()


def sources(job: TrainJob) -> Any:
    return scenes.lessons_of(job)._sources[0]


def test_a_training_sees_its_subsets_windows_in_the_rankings_order(root: Path) -> None:
    """Exactly what tokenising the subset's rows by themselves gives."""
    spec = make_spec()
    source = sources(make_job(root, "unused", spec, scenes.SETTINGS))
    rows = [make_rows()[place] for place in ranking(row_digests(make_rows()), 1)[:28]]
    tokenizer = load_tokenizer(root / "model")
    made = MAKER.train_features(rows, tokenizer, FeatureSettings.of(spec.recipe))
    assert [list(each) for each in source.windows] == [
        [feature for feature in made if feature.example == example] for example in range(28)
    ]
    tokens = [sum(len(each.input_ids) for each in windows) for windows in source.windows]
    assert list(source.shortest) == list(source.windows[tokens.index(min(tokens))])
    assert source.pad == tokenizer.pad_token_id


def test_a_smaller_training_sees_a_part_of_what_a_larger_one_sees(root: Path) -> None:
    few = make_spec().model_copy(update={"parts": (make_part("who-where", examples=9),)})
    smaller, larger = (
        sources(make_job(root, "unused", spec, scenes.SETTINGS)).windows
        for spec in (few, make_spec())
    )
    assert list(smaller) == list(larger)[:9]


def test_paragraphs_are_drawn_where_the_spec_says_so(root: Path) -> None:
    part = make_part("who-where", subset="paragraph")
    job = make_job(
        root, "unused", make_spec().model_copy(update={"parts": (part,)}), scenes.SETTINGS
    )
    expected = job.pools[0].subset(28, 1, "paragraph")
    assert not np.array_equal(expected, job.pools[0].subset(28, 1))
    assert list(sources(job).windows) == list(job.pools[0].examples(expected))
