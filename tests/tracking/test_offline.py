"""Reading what attempts left, side by side with wandb's own reader of these files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.tracking import read_runs
from xtl.tracking.framing import BLOCK, HEADER
from xtl.tracking.offline import FRAGMENTS, read_folder, read_fragment, read_history
from xtl.tracking.record import flatten
from xtl.tracking.run import RunIdentity, Tracker

ROWS = 150  # about 80 KB: three blocks

KILLED = f"""
import sys, time
from pathlib import Path
from xtl.tracking.run import RunIdentity, Tracker
tracker = Tracker(Path(sys.argv[1]), RunIdentity("demo", "train", "n", "killed", 1), {{"lr": 0.1}})
for step in range({ROWS}):
    tracker.log(step, {{"train/loss": 1 / (step + 1), "train/lr": step / 7, "train/x": step / 3}})
time.sleep(1.5)
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a run of three blocks that ended well."""
    folder = tmp_path_factory.mktemp("whole")
    write_run(folder, "whole", rows=ROWS)
    (path,) = folder.glob(FRAGMENTS)
    return path.read_bytes()


def write_run(folder: Path, shard: str, rows: int = 3, sweep: str = "demo") -> None:
    config = {"model": {"name": "x"}, "langs": ["sw", "te"], "seed": 3, "none": None}
    with Tracker(folder, RunIdentity(sweep, "train", "a → b", shard, 1), config) as tracker:
        for step in range(rows):
            values = {"train/loss": 1 / (step + 1), "train/lr": step / 7, "train/x": step / 3}
            tracker.log(step, values)
        tracker.summarise({"eval": {"sw": {"f1": 51.25}, "te": {"f1": 0.0}}})


def put(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "run-whole.wandb"
    path.write_bytes(data)
    return path


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def leet(path: Path, *options: str) -> str:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, "--json", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def assert_as_leet(path: Path) -> None:
    """Our record and that of wandb's command say the same of a file."""
    theirs: dict[str, Any] = json.loads(leet(path, "--summary"))
    ours = read_fragment(path)
    assert ours is not None
    own = {"shard": ours.shard, "attempt": ours.attempt}
    assert {**ours.config, **own} == flatten(theirs["config"])
    values = {k: v for k, v in theirs["summary"].items() if not k.startswith("_")}
    assert ours.summary == flatten(values)
    assert (ours.exit_code, ours.name) == (theirs["exit_code"], theirs["name"])
    assert (ours.shard, ours.last_step) == (theirs["run_id"], theirs["summary"]["train/step"])
    rows = [line for line in leet(path).splitlines() if '"type":"history"' in line]
    assert len(read_history(path, ["train/step"])) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data, id="whole"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: damaged(data, BLOCK + 500), id="corrupt block"),
        pytest.param(
            lambda data: data[:BLOCK] + bytes(BLOCK) + data[2 * BLOCK :], id="block of zeros"
        ),
    ],
)
def test_our_reader_agrees_with_wandbs(
    tmp_path: Path, whole: bytes, damage: Callable[[bytes], bytes]
) -> None:
    assert_as_leet(put(tmp_path, damage(whole)))


@pytest.mark.slow
def test_a_killed_run_is_read_up_to_its_last_second_and_as_wandb_does(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    (path,) = tmp_path.glob(FRAGMENTS)
    record = read_fragment(path)
    assert record is not None
    assert (record.exit_code, record.last_step) == (None, ROWS - 1)
    assert record.config == {"lr": 0.1}
    assert_as_leet(path)


def test_a_cut_file_gives_the_rows_before_the_cut(tmp_path: Path, whole: bytes) -> None:
    rows = read_history(put(tmp_path, whole), ["train/step", "train/loss"])
    assert len(rows) == ROWS
    part = read_history(put(tmp_path, whole[: len(whole) // 2]), ["train/step", "train/loss"])
    assert 0 < len(part) < ROWS
    assert part == rows[: len(part)]


def test_a_corrupt_block_leaves_the_rows_of_the_others(tmp_path: Path, whole: bytes) -> None:
    steps = [row["train/step"] for row in read_history(put(tmp_path, whole), ["train/step"])]
    path = put(tmp_path, damaged(whole, BLOCK + 500))
    kept = [row["train/step"] for row in read_history(path, ["train/step"])]
    assert kept[0] == 0
    assert kept[-1] == ROWS - 1
    assert set(kept) < set(steps)
    record = read_fragment(path)
    assert record is not None
    assert record.summary["eval/sw/f1"] == 51.25


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_cut_and_no_changed_bytes_make_reading_raise_or_invent_a_row(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, draw: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    keys = ["train/step", "train/loss"]
    rows = read_history(put(folder, whole), keys)
    data = whole[: draw.draw(st.integers(1, len(whole)), label="cut")]
    for at in draw.draw(st.lists(st.integers(0, len(data) - 1), max_size=5), label="changed"):
        data = damaged(data, at)
    path = put(folder, data)
    read_fragment(path)
    kept = iter(rows)
    assert all(row in kept for row in read_history(path, keys))


@pytest.mark.parametrize("data", [b"", b":W&B", HEADER, b"not a log at all, but longer than that"])
def test_a_file_that_names_no_run_is_left_out(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "wandb" / "offline-run-20260131_120000-x"
    folder.mkdir(parents=True)
    assert read_fragment(put(folder, data)) is None
    assert read_folder(tmp_path) == []


def test_an_empty_or_missing_folder_holds_no_runs(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == []
    assert read_folder(tmp_path / "missing") == []
    assert not (tmp_path / "missing").exists()


def test_a_folder_is_read_again_only_where_it_changed(tmp_path: Path, whole: bytes) -> None:
    write_run(tmp_path, "first")
    assert [r.shard for r in read_folder(tmp_path)] == ["first"]
    (path,) = tmp_path.glob(FRAGMENTS)
    before = path.stat()
    path.write_bytes(bytes(before.st_size))  # unreadable now, and unchanged by its stamp
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [r.shard for r in read_folder(tmp_path)] == ["first"]
    path.write_bytes(whole)
    assert [r.shard for r in read_folder(tmp_path)] == ["whole"]


@pytest.mark.parametrize("cache", ["", "{", "[]", '{"version": 0, "records": {}}'])
def test_a_bad_cache_costs_nothing_but_time(tmp_path: Path, cache: str) -> None:
    write_run(tmp_path, "first")
    (tmp_path / "wandb" / "records.json").write_text(cache)
    first = read_folder(tmp_path)
    assert [record.shard for record in first] == ["first"]
    assert read_folder(tmp_path) == first


def test_the_runs_of_other_sweeps_in_the_folder_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "first", sweep="demo")
    write_run(tmp_path, "second", sweep="other")
    assert [record.shard for record in read_runs(tmp_path, "demo")] == ["first"]


def test_a_login_node_pays_for_no_heavy_import() -> None:
    heavy = "{'wandb', 'torch', 'pandas', 'google'}"
    code = f"import sys, xtl.tracking; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
