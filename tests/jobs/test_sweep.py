"""`xtl sweep`, whole: real jobs, two DeepSpeed ranks, a tiny encoder."""

from __future__ import annotations

import json
import signal
from typing import Any

import pandas as pd
import psutil
import pytest

from tests.bench import Bench, until
from tests.slurm.sweeps import edit_manifest
from xtl.launch.local import SUBMISSION_VARIABLE
from xtl.launch.records import Result

pytestmark = pytest.mark.slow

CHAIN = "lookup-pool 64 epochs s1"


def test_every_planned_shard_has_a_valid_result(swept: Bench) -> None:
    assert {shard["state"] for shard in swept.shards().values()} == {"done"}
    results = [Result.model_validate(result) for result in swept.results().values()]
    assert len(results) == len(swept.shards()) == 9
    for result in results:
        assert (result.artifact is None) == (result.stage == "evaluate")
        assert (result.predictions is None) == (result.stage != "evaluate")


def test_every_shard_is_a_wandb_run(swept: Bench) -> None:
    runs = list((swept.root / "wandb").glob("offline-run-*"))
    ids = {run.name.rpartition("-")[2] for run in runs}
    assert ids == set(swept.results())


def test_the_table_is_what_the_result_files_say(swept: Bench) -> None:
    table = pd.read_parquet(swept.root / "table.parquet")
    results = swept.results()
    assert table["value"].notna().all()
    for row in table.to_dict("records"):
        assert row["value"] == results[row["shard"]]["metrics"][row["language"]][row["metric"]]


def test_predictions_are_kept_beside_the_result(swept: Bench) -> None:
    shard = swept.shards()[f"{CHAIN} → lookup-qa · lookup-qa"]["id"]
    kept = pd.read_parquet(swept.root / "shards" / shard / "predictions.parquet")
    assert len(kept) == swept.results()[shard]["predictions"]["rows"]
    assert {"example_id", "language", "text", "score", "exact_match", "f1"} <= set(kept.columns)
    mean = kept[kept["language"] == "sw"]["f1"].mean()
    assert mean == pytest.approx(swept.results()[shard]["metrics"]["sw"]["f1"])


def test_there_is_a_report_and_no_resume_state_is_left(swept: Bench) -> None:
    assert "lookup-qa" in (swept.root / "report" / "index.html").read_text()
    assert not list((swept.root / "shards").glob("*/checkpoints"))


def test_a_second_sweep_submits_nothing(swept: Bench) -> None:
    before = swept.attempts()
    assert swept.sweep() == {"submitted": 0, "states": {"done": 9}}
    assert swept.attempts() == before


def test_of_a_deleted_result_exactly_that_shard_runs_again(finished: Bench) -> None:
    shards = finished.shards()
    before = finished.results()
    shard = shards[CHAIN]["id"]
    (finished.root / "shards" / shard / "result.json").unlink()
    assert finished.sweep()["submitted"] == 1
    after = finished.results()
    assert after[shard]["artifact"] == before[shard]["artifact"]
    assert after[shard]["attempt"] == 2
    assert all(after[key] == before[key] for key in before if key != shard)


def test_a_truncated_result_counts_as_missing(finished: Bench) -> None:
    shard = finished.shards()[f"{CHAIN} → lookup-qa · lookup-pairs"]["id"]
    path = finished.root / "shards" / shard / "result.json"
    path.write_text(path.read_text()[:-20])
    assert finished.shards()[f"{CHAIN} → lookup-qa · lookup-pairs"]["state"] == "missing"
    assert finished.sweep()["submitted"] == 1


def test_an_artifact_that_was_changed_is_not_read_until_it_is_mended(finished: Bench) -> None:
    """Its digest no longer fits: the evaluation that needs it fails with one clear line."""
    shards = finished.shards()
    target = shards[f"{CHAIN} → lookup-qa"]["id"]
    head = finished.root / "shards" / target / "artifact" / "head-lookup-qa.safetensors"
    head.chmod(0o644)
    content = bytearray(head.read_bytes())
    content[-1] ^= 1
    head.write_bytes(content)
    evaluation = shards[f"{CHAIN} → lookup-qa · lookup-qa"]["id"]
    (finished.root / "shards" / evaluation / "result.json").unlink()
    done = finished.run("sweep")
    assert done.returncode == 1, done.stdout
    state = finished.shards()[f"{CHAIN} → lookup-qa · lookup-qa"]
    assert state["state"] == "failed"
    assert state["failure"]["cls"] == "data"
    assert "head-lookup-qa.safetensors" in state["failure"]["line"]

    content[-1] ^= 1
    head.write_bytes(content)  # mended: but what failed for good waits for a person's word
    assert finished.run("sweep").returncode == 1
    preview = finished.run("resubmit", "--dry-run", "--json")
    assert json.loads(preview.stdout)["resubmit"] == [evaluation]
    assert finished.run("resubmit", "--yes").returncode == 0
    assert {shard["state"] for shard in finished.shards().values()} == {"done"}


def test_a_dry_run_writes_and_submits_nothing(prepared: Bench) -> None:
    before = sorted(prepared.folder.rglob("*"))
    done = prepared.run("sweep", "--dry-run", "--json")
    assert done.returncode == 0
    assert sum(len(job) for job in json.loads(done.stdout)["jobs"]) == 9
    assert sorted(prepared.folder.rglob("*")) == before


def test_after_the_launcher_was_killed_the_next_one_adopts_and_completes(fresh: Bench) -> None:
    edit_manifest(fresh, sizes=[64])
    planned = len(_planned(fresh))
    launcher = fresh.start("sweep")
    until(lambda: fresh.attempts() > 0)
    launcher.kill()
    launcher.wait()
    assert _ranks(fresh), "the job outlives its launcher"
    fresh.sweep()
    assert len(fresh.results()) == planned
    assert fresh.attempts() == planned, "nothing ran twice"


def test_two_launchers_at_once_run_no_shard_twice(trivial: Bench) -> None:
    launchers = [trivial.start("sweep"), trivial.start("sweep")]
    assert [launcher.wait() for launcher in launchers] == [0, 0]
    assert trivial.attempts() == 9


def test_after_a_rank_was_killed_the_shard_is_tried_again(fresh: Bench) -> None:
    edit_manifest(fresh, sizes=[0], retrieval=[])
    launcher = fresh.start("sweep")
    until(lambda: fresh.attempts() > 0)
    _ranks(fresh)[-1].send_signal(signal.SIGKILL)
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    assert "to be tried again" in output
    assert "ended by signal 9" in output, "and no lost connection, which it is to the other rank"
    assert fresh.attempts() > len(fresh.results())
    assert {shard["state"] for shard in fresh.shards().values()} == {"done"}


@pytest.mark.long  # test_cancel stops one and resumes it, a fault preempts one
def test_a_shard_that_was_stopped_goes_on_from_its_last_checkpoint(fresh: Bench) -> None:
    edit_manifest(fresh, sizes=[0], retrieval=[])
    launcher = fresh.start("sweep")
    name = "0 s1 → lookup-qa"
    shard = {found["name"]: found["id"] for found in _planned(fresh)}[name]
    until(lambda: _step(fresh, shard) > 0)
    for rank in _ranks(fresh):
        rank.terminate()
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    training = fresh.results()[shard]["training"]
    assert 0 < training["resumed_from"] < training["updates"]


def test_a_detached_sweep_goes_on_by_itself(trivial: Bench) -> None:
    assert trivial.run("sweep", "--detach").returncode == 0
    until(lambda: (trivial.root / "report" / "index.html").exists())
    assert len(trivial.results()) == 9


def _planned(bench: Bench) -> list[dict[str, Any]]:
    shards: list[dict[str, Any]] = json.loads(bench.run("plan", "--json").stdout)["shards"]
    return shards


def _step(bench: Bench, shard: str) -> int:
    path = bench.root / "shards" / shard / "attempts" / "0001" / "heartbeat.json"
    try:
        return int(json.loads(path.read_text())["step"])
    except (FileNotFoundError, ValueError):
        return 0


def _ranks(bench: Bench) -> list[psutil.Process]:
    """The rank processes of the sweep's jobs, by the mark that their launcher gave them."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(SUBMISSION_VARIABLE, "")
            if mark.startswith(str(bench.root)) and "xtl.launch.task" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found
