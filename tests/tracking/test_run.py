"""What a shard logs is what is read back; W&B never gets in its way."""

import logging
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from xtl.tracking.offline import FRAGMENTS, read_folder, read_history
from xtl.tracking.record import RunRecord, encode, merge
from xtl.tracking.run import RunIdentity, Tracker

NAME = "squad 10% epochs s3 → tydiqa"


def identity(shard: str = "5ha1d", attempt: int = 1) -> RunIdentity:
    return RunIdentity("demo", "train", NAME, shard, attempt)


def service_pid() -> int:
    """The process id of the wandb service that this process started."""
    children = psutil.Process().children()
    living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    (pid,) = (child.pid for child in living if child.name() == "wandb-core")
    return pid


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    config = {"model": {"name": "xlm-r", "frozen": True}, "sizes": [0, 0.5], "none": None, "n": 7}
    with Tracker(tmp_path, identity(attempt=2), config) as tracker:
        tracker.log(10, {"train/loss": 0.1 + 0.2, "train/lr": 1e-5})
        tracker.log(20, {"train/loss": 2.0})
        tracker.summarise({"eval": {"sw": {"f1": 51.25, "em": 40}}, "degenerate": False})
    (record,) = read_folder(tmp_path)
    assert record == RunRecord(
        shard="5ha1d",
        attempt=2,
        sweep="demo",
        stage="train",
        name=NAME,
        config={
            "model/name": "xlm-r",
            "model/frozen": True,
            "sizes": [0, 0.5],
            "none": None,
            "n": 7,
        },
        summary={
            "train/step": 20,
            "train/loss": 2.0,
            "train/lr": 1e-5,
            "eval/sw/f1": 51.25,
            "eval/sw/em": 40,
            "degenerate": False,
        },
        exit_code=0,
        last_step=20,
        source=record.source,
    )
    assert read_history(tmp_path / record.source, ["train/step", "train/loss"]) == [
        {"train/step": 10, "train/loss": 0.1 + 0.2},
        {"train/step": 20, "train/loss": 2.0},
    ]
    assert read_history(tmp_path / record.source, ["train/lr"]) == [{"train/lr": 1e-5}]


def test_nan_and_infinities_survive_in_config_summary_and_history(tmp_path: Path) -> None:
    odd = {"a": math.nan, "b": math.inf, "c": [-math.inf]}
    with Tracker(tmp_path, identity(), odd) as tracker:
        tracker.log(1, {"train/loss": math.nan})
        tracker.log(2, {"train/loss": -math.inf})
        tracker.summarise(odd)
    (record,) = read_folder(tmp_path)
    assert encode(record.config) == encode(odd)
    assert encode(record.summary) == encode(
        {**odd, "train/step": 2, "train/loss": -math.inf},
    )
    rows = read_history(tmp_path / record.source, ["train/loss"])
    assert encode(rows) == [{"train/loss": "NaN"}, {"train/loss": "-Infinity"}]


def test_several_runs_follow_one_another_in_a_process(tmp_path: Path) -> None:
    for shard, loss in (("first", 1.0), ("second", 2.0)):
        with Tracker(tmp_path, identity(shard), {"is": shard}) as tracker:
            tracker.log(1, {"train/loss": loss})
    found = merge(read_folder(tmp_path))
    assert {s: (r.config, r.summary["train/loss"]) for s, r in found.items()} == {
        "first": ({"is": "first"}, 1.0),
        "second": ({"is": "second"}, 2.0),
    }


def test_a_run_left_open_is_not_mixed_with_the_next(tmp_path: Path) -> None:
    left = Tracker(tmp_path, identity("first"), {})
    with Tracker(tmp_path, identity("second"), {}) as tracker:
        tracker.log(2, {"train/loss": 2.0})
    left.log(1, {"train/loss": 1.0})
    left.finish(1)
    found = merge(read_folder(tmp_path))
    assert {s: (r.last_step, r.exit_code) for s, r in found.items()} == {
        "first": (1, 1),
        "second": (2, 0),
    }


def test_each_attempt_leaves_its_own_fragment(tmp_path: Path) -> None:
    stopped = Tracker(tmp_path, identity(attempt=1), {})
    stopped.log(5, {"train/loss": 3.0})
    stopped.finish(143)
    with Tracker(tmp_path, identity(attempt=2), {}) as tracker:
        tracker.log(9, {"train/loss": 1.0})
    records = read_folder(tmp_path)
    assert sorted((r.attempt, r.exit_code, r.last_step) for r in records) == [
        (1, 143, 5),
        (2, 0, 9),
    ]
    assert merge(records)["5ha1d"].attempt == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [(RuntimeError("CUDA out of memory"), 1), (SystemExit("no"), 1), (SystemExit(143), 143)],
)
def test_leaving_by_an_error_is_recorded(tmp_path: Path, error: BaseException, code: int) -> None:
    with pytest.raises(type(error)), Tracker(tmp_path, identity(), {}):
        raise error
    (record,) = read_folder(tmp_path)
    assert record.exit_code == code


def test_after_the_end_nothing_is_written(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, identity(), {})
    tracker.finish(143)
    tracker.log(1, {"train/loss": 1.0})
    tracker.summarise({"eval/sw/f1": 1.0})
    tracker.finish(0)
    (record,) = read_folder(tmp_path)
    assert (record.exit_code, record.summary) == (143, {})


@pytest.mark.parametrize("config", [{"shard": "x"}, {"attempt": 1}, {"a": {"b": 1}, "a/b": 2}])
def test_settings_that_would_hide_others_are_refused(
    tmp_path: Path, config: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"attempt|shard|a/b"):
        Tracker(tmp_path, identity(), config)
    assert not (tmp_path / "wandb").exists()


def test_a_finished_run_costs_three_inodes_and_nothing_in_the_home(
    tmp_path: Path, empty_home: Path
) -> None:
    with Tracker(tmp_path, identity(), {}) as tracker:
        tracker.log(1, {"train/loss": 1.0})
    (fragment,) = tmp_path.glob(FRAGMENTS)
    assert {path.name for path in fragment.parent.iterdir()} == {fragment.name, "files"}
    assert {path.name for path in (tmp_path / "wandb").iterdir()} == {fragment.parent.name, "cache"}
    assert list(empty_home.rglob("*")) == []


SCRIPT = """
import os, signal, subprocess, sys, time
from pathlib import Path
from xtl.tracking.run import RunIdentity, Tracker
def tracker(shard):
    return Tracker(Path(sys.argv[1]), RunIdentity("demo", "train", "n", shard, 1), {})
"""


def run_script(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT + body, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_nothing_is_printed(tmp_path: Path) -> None:
    done = run_script(tmp_path, "with tracker('a') as t: t.log(1, {'train/loss': 1.0})")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dead_service_costs_one_warning_and_no_later_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Tracker(tmp_path, identity("first"), {}) as tracker:
        os.kill(service_pid(), signal.SIGKILL)
        with caplog.at_level(logging.WARNING):
            for step in range(200):
                tracker.log(step, {"train/loss": 1.0})
            tracker.summarise({"eval/sw/f1": 1.0})
    with Tracker(tmp_path, identity("second"), {}) as tracker:
        tracker.log(7, {"train/loss": 1.0})
    assert len([line for line in caplog.messages if "W&B failed" in line]) == 1
    assert merge(read_folder(tmp_path))["second"].last_step == 7


def test_a_service_that_died_between_two_runs_is_started_again(tmp_path: Path) -> None:
    with Tracker(tmp_path, identity("first"), {}):
        pass
    pid = service_pid()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with Tracker(tmp_path, identity("second"), {}) as tracker:
        tracker.log(7, {"train/loss": 1.0})
    assert merge(read_folder(tmp_path))["second"].exit_code == 0


@pytest.mark.slow
def test_a_service_that_sigterm_reached_leaves_the_rows_and_no_traceback(tmp_path: Path) -> None:
    body = """
t = tracker("a")
t.log(3, {"train/loss": 1.0})
time.sleep(1.5)
subprocess.run(["pkill", "-TERM", "-P", str(os.getpid()), "wandb-core"], check=True)
time.sleep(0.5)
t.finish(143)
"""
    done = run_script(tmp_path, body)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    (record,) = read_folder(tmp_path)
    assert (record.last_step, record.exit_code) == (3, None)


@pytest.mark.slow
def test_a_server_that_does_not_answer_leaves_the_run_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # the discard port: refused
    monkeypatch.setattr("xtl.tracking.run.INIT_TIMEOUT", 2.0)
    with Tracker(tmp_path, identity(), {"lr": 0.1}) as tracker:
        tracker.log(1, {"train/loss": 1.0})
    assert any("written offline" in line for line in caplog.messages)
    record = merge(read_folder(tmp_path))["5ha1d"]
    assert (record.exit_code, record.last_step) == (0, 1)
    assert "offline-run" in record.source
    assert "0" * 40 not in caplog.text
