"""Bytes and files of a sweep's folder by kind, counted once, and what is to come."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import lock_for
from xtl.launch.space import Space, Usage, kind_of, measure, to_come
from xtl.sweep.disk import Disk
from xtl.sweep.manifest import Manifest


def put(path: Path, size: int = 10_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("mirror/xtl/model/content-1/config.json", "mirror"),
        ("mirror/.tokens/a/pool.npy", "token cache"),
        ("shards/a/checkpoints/step-000001/COMPLETE.json", "checkpoints"),
        ("shards/a/.gone-checkpoints-7", "checkpoints"),
        ("shards/a/artifact/weights", "artifacts"),
        ("shards/a/.artifact.new-7/weights", "artifacts"),
        ("shards/a/predictions.parquet", "predictions"),
        ("shards/a/attempts/0001/predictions.parquet", "predictions"),
        ("shards/a/attempts/0001/claim.json", "results and attempts"),
        ("shards", "results and attempts"),
        ("wandb/offline-run-1/run.wandb", "W&B"),
        ("code/ab12/xtl/files.py", "code"),
        ("submissions/s/submitit/1_log.err", "jobs and logs"),
        ("batches/b/logs/1_0_0_log.out", "jobs and logs"),
        ("launcher.log", "jobs and logs"),
        ("report/index.html", "table and report"),
        ("manifest.yaml", "table and report"),
    ],
)
def test_every_path_is_of_a_kind(path: str, kind: str) -> None:
    assert kind_of(tuple(path.split("/"))) == kind


def test_the_sum_is_what_du_says(tmp_path: Path) -> None:
    root = tmp_path / "sweep"
    for path in ("shards/a/artifact/w", "shards/a/result.json", "code/d/x.py", "wandb/r/run"):
        put(root / path)
    (root / "link").symlink_to(tmp_path)
    put(tmp_path / "elsewhere", 10**6)
    used = measure(root, root / "mirror", None).used

    def du(*options: str) -> int:
        done = subprocess.run(["du", "-s", *options, root], capture_output=True, check=True)
        return int(done.stdout.split()[0])

    assert used == Usage(du("--block-size=1"), du("--inodes"))


def test_a_file_of_two_names_counts_once(tmp_path: Path) -> None:
    one = put(tmp_path / "shards" / "a" / "attempts" / "0001" / "result.json")
    before = measure(tmp_path, tmp_path / "mirror", None).used
    os.link(one, tmp_path / "shards" / "a" / "result.json")
    assert measure(tmp_path, tmp_path / "mirror", None).used == before


def test_of_a_mirror_elsewhere_the_sweep_s_snapshots_are_named_apart(
    tmp_path: Path, small_manifest: Manifest
) -> None:
    lock, mirror = lock_for(small_manifest), tmp_path / "mirror"
    put(mirror / lock.model.repo / lock.model.revision / "weights", 50_000)
    put(mirror / "somebody" / "else" / "weights", 10**6)
    root = tmp_path / "sweep"
    put(root / "manifest.yaml")
    found = measure(root, mirror, lock)
    assert found.outside_at == str(mirror)
    assert 50_000 <= found.outside.bytes < 100_000
    assert found.outside.files == 2
    assert set(found.kinds) == {"table and report"}


def test_a_mirror_of_its_own_is_not_counted_twice(tmp_path: Path, small_manifest: Manifest) -> None:
    lock = lock_for(small_manifest)
    put(tmp_path / "mirror" / lock.model.repo / lock.model.revision / "weights", 50_000)
    found = measure(tmp_path, tmp_path / "mirror", lock)
    assert found.outside == Usage()
    assert found.kinds["mirror"].bytes >= 50_000


def test_a_folder_that_is_not_there_yet_takes_nothing_and_has_room(tmp_path: Path) -> None:
    found = measure(tmp_path / "no" / "such", tmp_path / "no" / "such" / "mirror", None)
    assert found.used == Usage()
    assert found.free
    assert found.free.bytes > 0


def test_ten_thousand_files_are_walked_in_well_under_a_second(tmp_path: Path) -> None:
    for number in range(100):
        folder = tmp_path / "shards" / str(number)
        folder.mkdir(parents=True)
        for name in range(100):
            (folder / str(name)).touch()
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        assert measure(tmp_path, tmp_path / "mirror", None).used.files == 10_102
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.5


def test_resume_state_and_artifacts_that_nobody_needs_go_and_small_files_come() -> None:
    """Five shards done left 50 bytes; as many are left."""
    space = Space(
        {"checkpoints": Usage(1000, 20), "artifacts": Usage(300, 30), "W&B": Usage(50, 5),
         "mirror": Usage(7000, 4)}
    )  # fmt: skip
    coming = to_come(space, Disk(200, 5000, 40, 12), done=5, left=5)
    assert coming.final == Usage(7000 + 50 + 50 + 200, 59 - 20 + 40)
    assert coming.peak == Usage(7000 + 50 + 50 + 5000, 79 + 12)


def test_the_peak_is_never_below_what_is_there() -> None:
    space = Space({"checkpoints": Usage(1000, 20)})
    assert to_come(space, Disk(0, 0, 0, 0), done=5, left=0).peak == Usage(1000, 20)
