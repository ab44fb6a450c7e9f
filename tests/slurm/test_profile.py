"""`xtl profile` on a real cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from slurm.testbed import Testbed
from xtl.launch.profile import SlurmProfile, read_profile

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
