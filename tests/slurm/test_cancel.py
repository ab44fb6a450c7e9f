"""`xtl cancel` on a real Slurm: what runs saves and ends, what waits goes, nothing comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slurm.testbed import Testbed
from tests.bench import Bench, until
from tests.jobs.test_cancel import is_training, long_training
from tests.slurm.helpers import submit
from tests.slurm.sweeps import claims, edit_manifest, jobs, on


def queue(testbed: Testbed) -> list[str]:
    return testbed.run("squeue", "--noheader", "--format=%j %T").splitlines()


def test_what_runs_saves_what_waits_goes_and_nobody_submits_it_again(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    """The job that goes on with the sweep goes too; a child's job waits for its parent's."""
    bench = long_training(on(breakable, prepared.copy(tmp_path), bundling="training"))
    left = bench.run("sweep", "--detach")
    assert left.returncode == 0, left.stdout + left.stderr
    until(lambda: is_training(bench))
    assert any("reconcile" in line for line in queue(breakable))
    done = bench.run("cancel", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["left"] == 0
    assert said["reconciler"]
    assert not queue(breakable)

    shards = bench.shards().values()
    assert {shard["failure"]["cls"] for shard in shards if shard["failure"]} == {"cancelled"}
    assert {shard["state"] for shard in shards} <= {"failed", "blocked"}
    (end,) = [json.loads(path.read_text()) for path in bench.root.rglob("end.json")]
    assert (end["status"], end["step"] > 3) == ("stopped", True), "it saved as it stopped"

    before = jobs(bench)
    assert "0 submitted" in bench.run("sweep", "--once").stdout
    assert jobs(bench) == before


@pytest.mark.long
def test_of_a_bundle_that_waits_what_was_not_meant_comes_back_by_itself(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    bench = on(breakable, prepared.copy(tmp_path))
    edit_manifest(bench, sizes=[0], retrieval=[])
    blocker = submit(breakable, "sleep 600", "--nodes=4", "--exclusive")
    assert bench.run("sweep", "--detach").returncode == 0
    assert not claims(bench)
    preview = json.loads(
        bench.run("cancel", "--shard", "lookup-qa · ", "--dry-run", "--json").stdout
    )
    assert (len(preview["cancel"]), len(preview["in_the_same_jobs"])) == (1, 1)
    done = bench.run("cancel", "--shard", "lookup-qa · ", "--yes", "--json")
    assert json.loads(done.stdout)["left"] == 0, done.stdout + done.stderr
    states = {name: shard["state"] for name, shard in bench.shards().items()}
    assert sorted(states.values()) == ["failed", "missing"], states
    breakable.run("scancel", blocker)
    again = bench.run("sweep")
    assert again.returncode == 1, again.stdout + again.stderr
    states = {name: shard["state"] for name, shard in bench.shards().items()}
    assert sorted(states.values()) == ["done", "failed"], states
