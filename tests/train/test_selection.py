"""Selection and early stopping: the best checkpoint is handed over, whatever happens on the way."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.train import choosing
from tests.train.ranks import run_ranks, start_ranks
from xtl.model.heads import read_head
from xtl.train.selection import Validation, best

KEPT = ("updates", "selected", "validations", "final_loss", "useful_tokens",
        "artifact_digest")  # fmt: skip
"""What a training comes to, however often it is interrupted."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(1, marks=pytest.mark.slow),
        *(pytest.param(stage, marks=pytest.mark.long) for stage in (0, 2, 3)),
    ],
    ids=lambda stage: f"zero {stage}",
)
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model_folder: Path
) -> Path:
    """For the trainings under one stage, which its name ends in."""
    folder = tmp_path_factory.mktemp("zero") / str(request.param)
    folder.mkdir()
    (folder / "model").symlink_to(model_folder)
    return folder


@pytest.fixture(scope="module")
def life(folder: Path) -> dict[str, Any]:
    """What rank 0 saw of it; both came to the same."""
    stage = int(folder.name)
    first, second = run_ranks(2, choosing.life, folder, stage)
    for name in ("whole", "early", "spoilt", "spoilt last"):
        assert of(first[name]) == of(second[name])
    found: dict[str, Any] = first
    return found


def of(outcome: dict[str, Any]) -> dict[str, Any]:
    return {name: outcome[name] for name in KEPT}


def test_it_takes_the_very_same_updates_as_one_that_is_not_judged(life: dict[str, Any]) -> None:
    plain = life["plain"]["losses"]
    for name in ("whole", "early"):
        losses = [values["train/loss"] for values in life[name]["values"]]
        assert losses == plain[: life[name]["updates"]]


def test_every_validation_is_logged_beside_its_update(life: dict[str, Any]) -> None:
    logged = [
        Validation(update, values["selection/accuracy"], values["selection/loss"])
        for update, values in enumerate(life["whole"]["values"], start=1)
        if "selection/accuracy" in values
    ]
    assert [asdict(each) for each in logged] == list(life["whole"]["validations"])
    assert [each.update for each in logged] == [2, 4, 6, 8, 10, 12, 14]


def test_the_best_is_what_held_out_rows_say_it_is(life: dict[str, Any]) -> None:
    """They agree with what is learnt up to `TURN`, and with nothing after it."""
    whole = life["whole"]
    found = [Validation(**each) for each in whole["validations"]]
    assert whole["updates"] == choosing.UPDATES
    assert choosing.TURN <= whole["selected"] == best(found).update < choosing.UPDATES - 2
    assert found[0].loss > best(found).loss < found[-1].loss


def test_the_artifact_is_the_best_checkpoints_masters_bit_for_bit(
    life: dict[str, Any], folder: Path
) -> None:
    masters = life["plain"]["masters"]
    for name in ("whole", "early"):
        found = handed_over(folder / name / "artifact")
        wanted = masters[life[name]["selected"] - 1]
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[each], wanted[each]) for each in wanted)
        assert not all(torch.equal(found[each], masters[-1][each]) for each in wanted)


def handed_over(artifact: Path) -> dict[str, Tensor]:
    """All that is trained, by the names that it has in the engine."""
    encoder = load_file(artifact / "model-00002-of-00002.safetensors")
    head = read_head(artifact, "who-where", "span-qa").tensors
    return {
        **{f"encoder.{name}": tensor for name, tensor in encoder.items()},
        **{f"heads.0.{name}": tensor for name, tensor in head.items()},
    }


def test_a_training_ends_when_its_patience_does(life: dict[str, Any]) -> None:
    early, whole = life["early"], life["whole"]
    assert early["updates"] == early["selected"] + 2 * choosing.PATIENCE < choosing.UPDATES
    assert early["validations"] == whole["validations"][: early["updates"] // 2]
    assert early["artifact_digest"] == whole["artifact_digest"]


def test_stopped_after_every_update_and_resumed_it_ends_the_same(life: dict[str, Any]) -> None:
    """Before, at and after the best; so patience is not begun anew, and no validation is lost."""
    *stopped, last = life["pieces"]
    assert [each["updates"] for each in stopped] == list(range(1, life["early"]["updates"]))
    assert [each["resumed_from"] for each in stopped] == list(range(len(stopped)))
    assert of(last) == of(life["early"])


def test_the_last_two_and_the_best_they_need_are_kept(life: dict[str, Any]) -> None:
    found = [Validation(**each) for each in life["early"]["validations"]]
    tags = life["spoilt last"]["tags"]

    def needed(update: int) -> set[int]:
        seen = [each for each in found if each.update <= update]
        return {best(seen).update} if seen else set()

    assert tags.pop(0) == set()
    assert tags == {
        update: {each for each in (update - 1, update) if each}
        | needed(update - 1)
        | needed(update)
        for update in range(1, life["early"]["updates"])
    }
    assert max(map(len, tags.values())) == 3


def test_what_needs_a_best_that_is_damaged_is_passed_over_with_the_reason(
    life: dict[str, Any],
) -> None:
    chosen, last = life["early"]["selected"], life["early"]["updates"] - 1
    told = [line.partition("passed over ")[2].split(": ") for line in life["spoilt"]["said"]]
    assert [said[:-2] for said in told] == [
        [f"step-{last:06}", f"step-{chosen:06}, the best before it"],
        [f"step-{last - 1:06}", f"step-{chosen:06}, the best before it"],
        [f"step-{chosen:06}"],
    ]
    assert {said[-1] for said in told} == {"found other content than was recorded"}
    assert of(life["spoilt"]) == of(life["early"])


def test_a_best_that_is_damaged_when_it_is_asked_for_is_told_and_mended_by_the_next_attempt(
    life: dict[str, Any],
) -> None:
    spoilt = life["spoilt last"]
    assert f"step-{life['early']['selected']:06}, the best checkpoint: " in spoilt["said"]
    assert not spoilt["handed over"]
    assert of(spoilt) == of(life["early"])


def test_a_loss_that_is_not_finite_where_it_is_judged_is_divergence(
    life: dict[str, Any], folder: Path
) -> None:
    assert life["wild"] == "update 2: the loss that it is judged by is nan"
    assert not (folder / "wild" / "artifact").exists()


@pytest.mark.slow
def test_one_rank_and_two_stop_at_the_same_update_and_select_the_same(root: Path) -> None:
    (alone,) = run_ranks(1, choosing.exact, root)
    together, _ = run_ranks(2, choosing.exact, root)
    for name in ("updates", "selected"):
        assert alone[name] == together[name] < choosing.UPDATES
    for one, other in zip(alone["validations"], together["validations"], strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("step", [7, 8, 9, 11])
def test_killed_between_validation_and_checkpoint_it_ends_the_same(
    tmp_path: Path, model_folder: Path, step: int, rank: int
) -> None:
    """Before, at and after the best."""
    (tmp_path / "model").symlink_to(model_folder)
    ends = start_ranks(2, choosing.judged_training_that_dies, tmp_path, rank, step)
    assert ends[rank] is None, "a rank was to be killed"
    seen, _ = run_ranks(2, choosing.killed_and_whole, tmp_path)
    assert seen["killed"]["resumed_from"] == step - 1
    assert of(seen["killed"]) == of(seen["whole"])
