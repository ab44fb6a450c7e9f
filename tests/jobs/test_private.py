"""Keys are written nowhere, and a sweep's folder is open to whom the profile says."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jobs.options import DEMO, session
from tests.bench import Bench
from tests.slurm.sweeps import edit_manifest
from xtl.files import create_once, write_whole
from xtl.launch.profile import read_profile

KEYS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "HF_TOKEN": "hf_aPlantedTokenThatNobodyMayFindAgain",
    "XTL_TEST_SECRET": "a-planted-secret-of-nobody",
}


def profile(folder: Path, access: str | None) -> Path:
    path = folder / "profile.yaml"
    local = yaml.safe_load(Path("slurm/profiles/local.yaml").read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(local | {"access": access}), encoding="utf-8")
    return path


@pytest.fixture
def _umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize(
    ("access", "folder", "file"),
    [("user", 0o700, 0o600), ("group", 0o2770, 0o660), (None, 0o755, 0o644)],
)
def test_a_sweeps_folder_is_open_to_whom_the_profile_says(
    tmp_path: Path, access: str | None, folder: int, file: int
) -> None:
    opened = session(DEMO, tmp_path / "sweep", "local", str(profile(tmp_path, access)))
    opened.settle_in()
    root = opened.store.root
    write_whole(root / "a", "")
    create_once(root / "b", "")
    assert stat.S_IMODE(root.stat().st_mode) == folder
    assert {stat.S_IMODE((root / name).stat().st_mode) for name in "ab"} == {file}
    secret = 0o640 if access == "group" else 0o600
    assert stat.S_IMODE(opened.store.profile_path.stat().st_mode) == secret


def test_the_profiles_that_come_with_xtl_leave_it_to_the_umask() -> None:
    assert read_profile("local").umask is None


@pytest.mark.slow
def test_no_key_is_in_any_file_of_a_sweep_and_nobody_else_may_read_one(
    prepared: Bench, tmp_path: Path
) -> None:
    """A real sweep, W&B's client and the report included, with keys in the environment."""
    bench = prepared.copy(tmp_path / "bench")
    place = ("--cluster", "local", "--profile", str(profile(tmp_path, "user")))
    bench = replace(bench, env=bench.env | KEYS, place=place)
    edit_manifest(bench, engine={"ranks": 1}, sizes=[0], retrieval=[])
    before = set(bench.root.rglob("*"))
    done = bench.run("sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    said = [done.stdout, done.stderr, bench.run("status", "--all", "--json").stdout]
    files = [path for path in bench.root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    for key in KEYS.values():
        assert not any(key in text for text in said)
        assert [path for path in files if key.encode() in path.read_bytes()] == []
    others = stat.S_IRWXG | stat.S_IRWXO
    assert [path for path in files if path not in before and path.stat().st_mode & others] == []
