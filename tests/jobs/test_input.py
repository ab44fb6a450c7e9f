"""Bad input gets one clear line and exit status 2; nothing is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def xtl(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs.main", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "verb", ["prepare", "plan", "sweep", "status", "resubmit", "collect", "report"]
)
def test_a_wrong_manifest_is_one_line_and_status_2(verb: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("name: m\nsizes: [-1]\n")
    done = xtl(verb, "--manifest", "m.yaml", "--cluster", "local", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("xtl: m.yaml: ")
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["m.yaml"]


def test_an_unknown_cluster_is_refused() -> None:
    done = xtl("plan", "--cluster", "moon")
    assert (done.returncode, done.stderr) == (
        2, "xtl: --cluster: found 'moon', expected auto, slurm or local\n",
    )  # fmt: skip


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    done = xtl("plan", "--cluster", "local", "--profile", "moon")
    assert done.returncode == 2
    assert "found no such file, expected a profile (local)" in done.stderr


def test_a_profile_with_a_wrong_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("cluster: local\nslotz: 2\n")
    done = xtl("plan", "--cluster", "local", "--profile", str(path))
    assert done.returncode == 2
    assert "p.yaml: slotz: found an unknown key" in done.stderr


def test_a_lock_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"model":')
    done = xtl("plan", "--cluster", "local", "--root", str(tmp_path))
    assert done.returncode == 2
    assert "delete it and run `xtl prepare`" in done.stderr


def test_help_names_every_verb() -> None:
    done = xtl("--help")
    assert done.returncode == 0
    for verb in ("prepare", "plan", "sweep", "status", "resubmit", "collect", "report"):
        assert verb in done.stdout
