"""Every task of the paper, trained and evaluated through `xtl sweep` on real records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench import Bench
from tests.jobs import every_task
from tests.records import real_records
from xtl.sweep.shard import Shard, TrainSpec
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TARGETS

pytestmark = pytest.mark.long

HEADER: dict[str, Any] = {
    "name": "every-task",
    "model": {"repo": "tests/tiny-xlm-r", "freeze": ["word_embeddings"]},
    "engine": {"ranks": 2, "zero_stage": 1, "precision": "fp32", "micro_batch": 8},
    "replicates": [1],
    "keep": "all",
}


def swept(folder: Path, hub: Path, records: Path, body: dict[str, Any]) -> Bench:
    (folder / "hub").mkdir()
    for source in (*records.iterdir(), hub / "tests"):
        (folder / "hub" / source.name).symlink_to(source)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(HEADER | body))
    env = {**os.environ, "XTL_HUB": str(folder / "hub"), "XTL_CACHE": str(folder / "cache")}
    env.pop("WANDB_MODE", None)
    bench = Bench(folder, env)
    bench.sweep()
    return bench


@pytest.fixture(scope="module")
def records() -> Path:
    return real_records()


@pytest.fixture(scope="module")
def intermediate(hub: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("intermediate")
    return swept(folder, hub, records, every_task.intermediate(folder, examples=9))


@pytest.fixture(scope="module")
def targets(hub: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("targets")
    return swept(folder, hub, records, every_task.targets(train_on=24))


def specs(bench: Bench) -> dict[str, Shard]:
    texts = [path.read_text() for path in (bench.root / "shards").glob("*/shard.json")]
    return {shard.name: shard for shard in map(Shard.model_validate_json, texts)}


def result(bench: Bench, name: str) -> dict[str, Any]:
    return bench.results()[specs(bench)[name].id]


@pytest.mark.parametrize("task", [*every_task.NINE, "multi-task", "mnli+mlm", "mnli+translated"])
def test_an_intermediate_task_trains_to_its_last_update(intermediate: Bench, task: str) -> None:
    name = f"{task} 9 epochs s1"
    spec = specs(intermediate)[name].spec
    assert isinstance(spec, TrainSpec)
    training = result(intermediate, name)["training"]
    assert training["updates"] == spec.updates >= 4
    assert training["useful_tokens"] > 0
    assert 0 < training["final_loss"] < 20


@pytest.mark.parametrize("task", every_task.NINE)
def test_an_intermediate_task_is_measured_on_its_english_development_set(
    intermediate: Bench, task: str
) -> None:
    for asked in TARGETS[task].evaluation_sets:
        metrics = result(intermediate, f"{task} 9 epochs s1 → {task} · {asked}")["metrics"]
        assert set(metrics) == {"en"}
        assert set(METRICS[EVALUATION_SETS[asked].family]) <= set(metrics["en"])
        assert all(
            0 <= metrics["en"][each] <= 100 for each in METRICS[EVALUATION_SETS[asked].family]
        )


@pytest.mark.parametrize("task", every_task.NINE)
def test_its_head_is_carried_over_into_the_target_of_its_kind(
    intermediate: Bench, task: str
) -> None:
    spec = specs(intermediate)[f"{task} 9 epochs s1 → {task}"].spec
    assert isinstance(spec, TrainSpec)
    assert spec.head_of == task


def test_all_nine_tasks_share_an_encoder_under_a_head_each(intermediate: Bench) -> None:
    shard = specs(intermediate)["multi-task 9 epochs s1"]
    heads = (intermediate.root / "shards" / shard.id / "artifact").glob("head-*.safetensors")
    assert {path.name for path in heads} == {f"head-{name}.safetensors" for name in every_task.NINE}


@pytest.mark.parametrize("target", every_task.TRAINED)
def test_a_target_is_evaluated_in_every_language(targets: Bench, target: str) -> None:
    (asked,) = TARGETS[target].evaluation_sets
    entry = EVALUATION_SETS[asked]
    metrics = result(targets, f"0 s1 → {target} · {asked}")["metrics"]
    languages = every_task.TAGGED if target == "udpos" else entry.languages
    assert set(metrics) == set(languages)
    for language in languages:
        assert set(METRICS[entry.family]) <= set(metrics[language])


@pytest.mark.parametrize(("asked", "languages"), [("tatoeba", 36), ("bucc2018", 1)])
def test_what_needs_no_training_is_asked_of_the_public_model_too(
    targets: Bench, asked: str, languages: int
) -> None:
    metrics = result(targets, f"public model · {asked}")["metrics"]
    assert len(metrics) == languages


@pytest.mark.parametrize("bench", ["intermediate", "targets"])
def test_scores_come_out_the_same_from_stored_predictions(
    bench: str, request: pytest.FixtureRequest
) -> None:
    done = request.getfixturevalue(bench).run("rescore", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
