"""The same sweep on a real Slurm: two DeepSpeed ranks on two nodes, arrays, dependencies."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from slurm.testbed import Testbed
from tests.bench import Bench, until
from tests.slurm.checkouts import copy_checkout
from tests.slurm.helpers import submit
from tests.slurm.sweeps import artifacts, claims, edit_manifest, jobs, on, scores, scripts


@pytest.fixture(scope="session")
def on_slurm(testbed: Testbed, prepared: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A sweep that ran whole on the cluster, a training a job, so that jobs wait for jobs."""
    bench = on(testbed, prepared.copy(tmp_path_factory.mktemp("slurm")), bundling="training")
    bench.sweep()
    return bench


def test_its_table_is_that_of_a_local_run_number_for_number(on_slurm: Bench, swept: Bench) -> None:
    assert artifacts(on_slurm) == artifacts(swept)
    assert scores(on_slurm) == scores(swept)
    columns = ["shard", "language", "metric", "value"]
    ours, theirs = (
        pd.read_parquet(bench.root / "table.parquet")[columns].sort_values(columns[:3])
        for bench in (on_slurm, swept)
    )
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))


def test_the_ranks_of_a_shard_ran_on_two_nodes(on_slurm: Bench, testbed: Testbed) -> None:
    said = testbed.run("sacct", "-nPX", "-j", ",".join(jobs(on_slurm)), "-o", "NNodes,State")
    assert set(said.split()) == {"2|COMPLETED"}


def test_children_are_submitted_behind_their_parents_jobs(
    testbed: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    at_once = {"policy": {"canary": False}}
    bench = on(testbed, prepared.copy(tmp_path), bundling="training", **at_once)
    texts = json.loads(bench.run("sweep", "--dry-run", "--json").stdout)["scripts"]
    behind = [text for text in texts if "afterok:" in text]
    assert behind
    assert all("--kill-on-invalid-dep=yes" in text for text in behind)


def test_alike_bundles_went_out_as_one_array(on_slurm: Bench) -> None:
    batches = [json.loads(path.with_name("batch.json").read_text()) for path in scripts(on_slurm)]
    assert len(batches) < sum(len(batch["submissions"]) for batch in batches)


def test_a_second_sweep_submits_nothing(on_slurm: Bench) -> None:
    before = jobs(on_slurm)
    assert on_slurm.sweep() == {"submitted": 0, "states": {"done": 9}}
    assert jobs(on_slurm) == before


def test_a_dry_run_prints_the_scripts_and_submits_nothing(
    testbed: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    bench = on(testbed, prepared.copy(tmp_path), bundling="training")
    before = sorted(bench.folder.rglob("*"))
    said = json.loads(bench.run("sweep", "--dry-run", "--json").stdout)
    assert sum(len(job) for job in (*said["jobs"], *said["held"])) == 9
    assert said["held"], "the first of each kind goes ahead"
    assert all(text.startswith("#!/bin/bash") for text in said["scripts"])
    assert sorted(bench.folder.rglob("*")) == before


def test_slurm_says_when_each_kind_of_job_would_start(
    testbed: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    bench = on(testbed, prepared.copy(tmp_path), bundling="training")
    kinds = json.loads(bench.run("plan", "--test-only", "--json").stdout)["slurm"]
    assert sum(kind["jobs"] for kind in kinds) == 4
    assert all(kind["answer"].startswith("would start") for kind in kinds)


def test_queued_shards_run_the_frozen_code_whatever_became_of_the_checkout(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    from dataclasses import replace

    bench = replace(on(breakable, prepared.copy(tmp_path / "bench")), checkout=checkout)
    edit_manifest(bench, sizes=[0], retrieval=[])
    blocker = submit(breakable, "sleep 600", "--nodes=4", "--exclusive")
    assert bench.run("sweep", "--detach").returncode == 0
    assert not claims(bench)
    for path in (checkout / "xtl").rglob("*.py"):
        path.write_text("this is no Python\n")
    breakable.run("scancel", blocker)
    until(lambda: len(bench.results()) == 2, seconds=120)
    assert set(claims(bench).values()) == {1}


def test_a_detached_sweep_completes_by_itself(
    breakable: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    """No launcher is left after --detach; the second wave and the report are a job's work."""
    bench = on(breakable, prepared.copy(tmp_path), limits={"submitted": 1})
    edit_manifest(bench, sizes=[0, 64], retrieval=[])
    left = bench.run("sweep", "--detach")
    assert left.returncode == 0, left.stdout + left.stderr
    assert len(jobs(bench)) == 1
    until(lambda: (bench.root / "report" / "index.html").exists(), seconds=240)
    assert len(jobs(bench)) == 2
    assert {shard["state"] for shard in bench.shards().values()} == {"done"}
    assert set(claims(bench).values()) == {1}
