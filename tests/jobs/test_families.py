"""Every trainable family in one sweep, on records of our own: several tasks and masked text under
one encoder, then each task as a target with the head that it had. (Real records: test_every_task.)
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench import Bench
from tests.jobs.every_task import write_ccg
from xtl.sweep.shard import Shard
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TARGETS

pytestmark = pytest.mark.slow

TASKS = ("squad-v1.1", "mnli", "hellaswag", "ccg")
QUICK = {"epochs": 1, "batch_size": 4, "learning_rate": 1.0e-3, "max_length": 96, "doc_stride": 32}
PLACES = ("Nairobi", "Dhaka", "Bangkok", "Ankara")
NLI = ("entailment", "neutral", "contradiction")


def rows() -> dict[str, list[dict[str, Any]]]:
    """Two dozen of each task, who lives where being all that there is to know."""
    facts = [(f"Person {n}", PLACES[n % 4]) for n in range(24)]
    said = [f"{person} lives in {place}." for person, place in facts]
    return {
        "squad-v1.1": [
            {"id": str(n), "context": said[n], "question": f"Where does {person} live?",
             "answers": {"text": [place], "answer_start": [said[n].index(place)]}}
            for n, (person, place) in enumerate(facts)
        ],
        "mnli": [
            {"sentence1": said[n], "sentence2": f"{person} lives somewhere.", "label": NLI[n % 3]}
            for n, (person, _) in enumerate(facts)
        ],
        "hellaswag": [
            {"prompt": f"{person} lives in", "choices": list(PLACES[: 2 + n % 3]), "label": n % 2}
            for n, (person, _) in enumerate(facts)
        ],
        "text": [{"text": line} for line in said],
    }  # fmt: skip


def write_rows(folder: Path) -> dict[str, dict[str, str]]:
    places = {"ccg": {"path": str(write_ccg(folder))}}
    for name, made in rows().items():
        path = folder / f"{name}.en.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
        places[name] = {"path": str(path).replace(".en.", ".{language}.", name == "text")}
    return places


def manifest(folder: Path) -> dict[str, Any]:
    places = write_rows(folder)
    return {
        "intermediate": [
            {"tasks": list(TASKS), "name": "all", "training": QUICK,
             "masked_text": {"corpus": "text", "languages": ["en"], "share": 0.25}},
        ],
        "sizes": [16],
        "targets": [{"task": name, "training": QUICK, "head": "carried"} for name in TASKS],
        "retrieval": [],
        "training_data": places,
        "evaluation_data": {f"{name}-dev": places[name] for name in TASKS},
        "accept_overlap": [
            {"training": name, "evaluation": "squad-v1.1-dev", "because": "the same rows"}
            for name in (*TASKS, "text")
        ]
        + [
            {"training": name, "evaluation": f"{name}-dev", "because": "the same rows"}
            for name in ("mnli", "hellaswag", "ccg")
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def mixed(prepared: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("families")
    kept = yaml.safe_load((prepared.folder / "tiny.yaml").read_text())
    (folder / "tiny.yaml").write_text(yaml.safe_dump(kept | manifest(folder)))
    bench = replace(prepared, folder=folder)
    bench.sweep()
    return bench


def shards(bench: Bench) -> dict[str, Shard]:
    texts = [path.read_text() for path in (bench.root / "shards").glob("*/shard.json")]
    return {shard.name: shard for shard in map(Shard.model_validate_json, texts)}


def test_all_of_it_is_one_job_and_all_of_it_is_done(mixed: Bench) -> None:
    assert {shard["state"] for shard in mixed.shards().values()} == {"done"}
    assert len(list((mixed.root / "submissions").iterdir())) == 1


def test_a_head_for_each_task_and_for_the_masked_text_is_handed_over(mixed: Bench) -> None:
    shard = shards(mixed)["all 16 epochs s1"]
    heads = {path.name for path in (mixed.root / "shards" / shard.id / "artifact").glob("head-*")}
    assert heads == {f"head-{name}.safetensors" for name in (*TASKS, "masked-lm")}


@pytest.mark.parametrize("task", TASKS)
def test_each_task_goes_on_with_its_own_head_and_is_scored(mixed: Bench, task: str) -> None:
    (asked,) = TARGETS[task].evaluation_sets
    trained = shards(mixed)[f"all 16 epochs s1 → {task}"]
    assert getattr(trained.spec, "head_of", None) == task
    metrics = mixed.results()[shards(mixed)[f"{trained.name} · {asked}"].id]["metrics"]["en"]
    for name in METRICS[EVALUATION_SETS[asked].family]:
        assert 0 <= metrics[name] <= 100


def test_supertags_are_those_that_the_users_file_has(mixed: Bench) -> None:
    parts = shards(mixed)["all 16 epochs s1 → ccg"].spec.parts  # type: ignore[union-attr]
    assert parts[0].labels == ("N", "NP/N", "S[dcl]\\NP")


def test_every_figure_comes_out_again_from_the_stored_predictions(mixed: Bench) -> None:
    done = mixed.run("rescore")
    assert done.returncode == 0, done.stdout + done.stderr
