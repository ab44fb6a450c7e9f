"""`xtl cancel` on this machine: what runs saves and ends, and nothing comes back unasked."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.bench import Bench, until
from tests.slurm.sweeps import artifacts, claims, edit_manifest
from xtl.launch.local import processes_of

pytestmark = pytest.mark.slow
LONG = {"training": {"epochs": 40, "batch_size": 16, "learning_rate": 1.0e-3}}


def long_training(bench: Bench) -> Bench:
    """One intermediate training of half a minute, with what follows on it."""
    edit_manifest(bench, sizes=[64], intermediate=[{"task": "lookup-pool", **LONG}], retrieval=[])
    edit_manifest(bench, engine={"ranks": 1})
    return bench


def is_training(bench: Bench) -> bool:
    beats = [json.loads(path.read_text()) for path in bench.root.rglob("heartbeat.json")]
    return any(beat["step"] > 3 for beat in beats)


def test_what_is_cancelled_saves_stays_cancelled_and_is_resumed_when_a_person_says_so(
    fresh: Bench,
) -> None:
    bench = long_training(fresh)
    launcher = bench.start("sweep")
    until(lambda: is_training(bench))
    preview = bench.run("cancel", "--dry-run")
    assert "unsaved as yet" in preview.stdout, preview.stdout + preview.stderr
    assert max(map(len, preview.stdout.splitlines())) <= 80, preview.stdout
    refused = bench.run("cancel")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert refused.stderr.startswith("xtl: --yes: found none")
    assert not list(bench.root.rglob("cancelled"))

    done = bench.run("cancel", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["left"] == 0
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 1, output
    assert set(claims(bench).values()) == {1}, "the launcher that followed submits nothing more"

    shards = bench.shards().values()
    cancelled = [shard for shard in shards if shard["state"] == "failed"]
    assert {shard["failure"]["cls"] for shard in cancelled} == {"cancelled"}
    assert {shard["state"] for shard in shards} <= {"failed", "blocked"}
    (end,) = [json.loads(path.read_text()) for path in bench.root.rglob("end.json")]
    assert (end["status"], end["step"] > 3) == ("stopped", True), "it saved as it stopped"

    again = bench.run("sweep", "--once")
    assert "0 submitted" in again.stdout, again.stdout + again.stderr
    revived = bench.run("resubmit", "--class", "cancelled", "--yes")
    assert revived.returncode == 0, revived.stdout + revived.stderr
    assert artifacts(bench)
    training = next(r for r in bench.results().values() if r["stage"] == "intermediate")
    assert training["training"]["resumed_from"] == end["step"]


def test_with_now_ranks_and_controller_end_at_once_and_the_shard_stays_cancelled(
    fresh: Bench,
) -> None:
    bench = long_training(fresh)
    launcher = bench.start("sweep")
    until(lambda: is_training(bench))
    (name,) = [path.name for path in (bench.root / "submissions").iterdir()]
    assert processes_of(bench.root, [name])[name]
    done = bench.run("cancel", "--now", "--yes", "--json", "--wait", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not processes_of(bench.root, [name])[name]
    launcher.communicate(timeout=60)
    said = json.loads(done.stdout)
    (training,) = [shard for shard in said["shards"] if shard["state"] == "runs"]
    assert (said["left"], training["job"], training["then"]) == (0, name, "cancelled")
    assert training["unsaved_steps"] > 3
    assert training["unsaved_device_seconds"] > 0
    assert not list(bench.root.rglob("end.json")), "nobody had the time to write one"
    state = bench.shards()[training["name"]]
    assert (state["state"], state["failure"]["cls"]) == ("failed", "cancelled")
    assert claims(bench) == {training["id"]: 1}


def test_nothing_to_cancel_asks_nothing(finished: Bench) -> None:
    done = finished.run("cancel")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing of that runs" in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "line"),
    [
        ("--class", "moon", "--class: found 'moon', expected one of gpu-oom, host-oom, "),
        ("--size", "7%", "--size: found '7%', expected one of 0, 64"),
        ("--task", "moon", "--task: found 'moon', expected one of lookup-pool, lookup-qa"),
        ("--shard", "moon", "--shard: found no shard 'moon', expected "),
    ],
)
def test_a_filter_that_fits_nothing_names_what_there_is(
    prepared: Bench, option: str, value: str, line: str
) -> None:
    done: subprocess.CompletedProcess[str] = prepared.run("cancel", option, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"xtl: {line}"), done.stderr
