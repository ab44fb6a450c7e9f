"""`xtl profile` on a real cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slurm.testbed import Testbed
from tests.slurm.helpers import lines, wait_for
from xtl.launch.profile import PROFILES, SlurmProfile, read_profile
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError
from xtl.launch.slurm.script import Script, render

ROOT = Path(__file__).parents[2]


def xtl_profile(testbed: Testbed, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobs.main", "profile", *words]
    environment = testbed.environment() | {"SLURM_CONF": str(testbed.conf), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_it_writes_a_profile_once_and_says_why(testbed: Testbed, tmp_path: Path) -> None:
    path = tmp_path / "new" / "mine.yaml"
    done = xtl_profile(testbed, "--output", str(path))
    assert done.returncode == 0, done.stderr
    assert "the cluster's default" in done.stdout
    assert f"wrote {path}" in done.stdout
    profile = read_profile(str(path))
    assert isinstance(profile, SlurmProfile)
    assert (profile.partition, profile.gpus_per_node, profile.gpu_type) == ("main", 2, "pretend")
    before = path.read_text()
    again = xtl_profile(testbed, "--output", str(path))
    assert again.returncode == 2
    assert again.stderr == (
        f"xtl: --output: found {path}, which is there already, expected a new file\n"
    )
    assert path.read_text() == before


def test_a_dry_run_writes_nothing(testbed: Testbed, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    said = xtl_profile(testbed, "--output", str(path), "--dry-run", "--json")
    found = json.loads(said.stdout)
    assert (found["path"], found["written"]) == (str(path), False)
    assert found["profile"]["partition"] == found["chosen"][0]["value"] == "main"
    assert "would write" in xtl_profile(testbed, "--output", str(path), "--dry-run").stdout
    assert not path.exists()


def test_a_name_that_would_be_a_path_is_refused(testbed: Testbed) -> None:
    done = xtl_profile(testbed, "--name", "a.b")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("xtl: --name: found 'a.b', expected letters")


EXAMPLES = sorted({path.stem for path in PROFILES.glob("*.yaml")} - {"local"})
# What a testbed's partitions, nodes and users are called, and how large its nodes are.
HERE: dict[str, dict[str, Any]] = {
    "gpu-node": {"partition": "main", "gpus_per_node": 2, "gpu_type": "pretend"},
    "multi-node-preemptible": {
        "partition": "low",
        "account": None,
        "constraint": None,
        "gpus_per_node": 2,
        "gpu_type": "pretend",
        "reconcile": {"partition": "main", "time": 30, "memory_gib": 2},
    },
    "testbed": {},
}
SMALL = {"cpus_per_rank": 2, "memory_per_rank_gib": 1}


def script_of(profile: SlurmProfile, folder: Path, ranks: int, alone: bool = False) -> str:
    minutes = profile.reconcile.time if alone else profile.time.intermediate
    script = Script("example", 3, ranks, minutes, "true", folder, folder / "logs", alone=alone)
    return render(script, profile)


def example(name: str, **changes: object) -> SlurmProfile:
    fields = read_profile(name).model_dump(mode="json") | SMALL | HERE[name] | changes
    return SlurmProfile.model_validate(fields)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(("ranks", "alone"), [(1, False), (4, False), (1, True)])
def test_what_an_example_asks_for_can_be_asked_for(
    name: str, ranks: int, alone: bool, testbed: Testbed, tmp_path: Path
) -> None:
    script = script_of(example(name), tmp_path, ranks, alone)
    where = "main" if alone else HERE[name].get("partition", "main")
    assert Client(str(testbed.conf)).test_only(script).endswith(f"in partition {where}")


def test_what_chooses_gpu_nodes_does_not_keep_a_reconcile_from_running(
    testbed: Testbed, tmp_path: Path
) -> None:
    client = Client(str(testbed.conf))
    profile = example("multi-node-preemptible", constraint="ib", qos="fast", reservation="course")
    with pytest.raises(SlurmRefusedError):
        client.test_only(script_of(profile, tmp_path, 2))
    assert client.test_only(script_of(profile, tmp_path, 1, alone=True)).startswith("would start")


def test_every_node_of_a_job_has_its_folder_for_temporary_files(
    breakable: Testbed, tmp_path: Path
) -> None:
    """Each node mounts a disk of its own, on which not even the parent folder is there."""
    disk, logs = tmp_path / "disk", tmp_path / "logs"
    disk.mkdir()
    logs.mkdir()
    mount = f"srun --ntasks-per-node=1 mount -t tmpfs tmpfs {disk}"
    profile = example("testbed", local=f"{disk}/own/$SLURM_ARRAY_JOB_ID", setup=[mount])
    say = """sh -c 'test -d "$TMPDIR" && echo "$SLURMD_NODENAME $TMPDIR"'"""
    path = tmp_path / "script.sh"
    script = Script("folders", 1, 2, 5, say, tmp_path, logs)
    path.write_text(render(script, profile.model_copy(update={"ranks_per_node": 1})))
    job = Client(str(breakable.conf)).submit(path)
    wait_for(breakable, f"{job}_0", "COMPLETED")
    said = [line.split() for log in logs.glob("*.out") for line in lines(log) if " " in line]
    assert len({node for node, _ in said}) == 2
    assert {place for _, place in said} == {f"{disk}/own/{job}"}
