"""Looking at a shard again: no change is missed, and what did not change is not read again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.records import claim, finished, result, stopped, why
from xtl.launch import memo
from xtl.launch.records import Failure, Heartbeat, PredictionsFile
from xtl.launch.removal import set_aside
from xtl.launch.store import Store
from xtl.launch.traces import Traces, traces_of


def afresh(store: Store) -> Traces:
    return traces_of(Store(store.root), "a")


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A shard that was done at its second attempt, and has been looked at when that was old."""
    store = Store(tmp_path)
    store.claim(claim("a", 1))
    store.end_attempt("a", 1, stopped(5))
    store.claim(claim("a", 2))
    store.end_attempt("a", 2, finished())
    kept = PredictionsFile(rows=1, bytes=3, sha256="")
    store.write_result(result("a").model_copy(update={"predictions": kept}))
    store.predictions_path("a").write_bytes(b"123")
    store.digest_path("a").parent.mkdir()
    store.digest_path("a").write_text('{"digest": "d"}')
    store.pardon("a", 50.0)
    monkeypatch.setattr(memo, "_RIPE_S", -1.0)
    seen = traces_of(store, "a")
    assert seen.result is not None
    assert (seen.artifact, seen.taken, seen.pardoned, len(seen.attempts)) == ("d", 2, 2, 2)
    return store


def test_what_is_over_is_not_read_again(done: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = traces_of(done, "a")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("a file was read"))
    assert traces_of(done, "a") == before


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _rewritten_in_the_same_size(path: Path) -> None:
    """In place, its time set back, as a copy that keeps times does."""
    times = path.stat()
    time.sleep(0.02)  # clocks of file systems tick in steps
    path.write_text(path.read_text().replace('"device_seconds": 1', '"device_seconds": 7'))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _result_of_another(store: Store) -> None:
    store.write_result(result("b"))
    store.result_path("b").replace(store.result_path("a"))


def _pardoned_again(store: Store) -> None:
    store.claim(claim("a", 3))
    store.pardon("a", 60.0)


CHANGES: dict[str, Callable[[Store], object]] = {
    "result deleted": lambda store: store.result_path("a").unlink(),
    "result truncated": lambda store: _cut(store.result_path("a")),
    "result altered": lambda store: _rewritten_in_the_same_size(store.result_path("a")),
    "result replaced": lambda store: store.write_result(result("a", digest="e")),
    "result of another": _result_of_another,
    "set aside": lambda store: set_aside(store, "a"),
    "predictions deleted": lambda store: store.predictions_path("a").unlink(),
    "predictions cut": lambda store: _cut(store.predictions_path("a")),
    "artifact released": lambda store: store.release_artifact("a"),
    "artifact replaced": lambda store: store.digest_path("a").write_text('{"digest": "longer"}'),
    "digest torn": lambda store: _cut(store.digest_path("a")),
    "claimed again": lambda store: store.claim(claim("a", 3)),
    "word on an earlier one": lambda store: store.note_failure(
        "a", 1, Failure(cls="node", line="NODE_FAIL")
    ),
    "attempt deleted": lambda store: shutil.rmtree(store.attempt_folder("a", 2)),
    "pardoned again": _pardoned_again,
    "false start": lambda store: store.note_false_start(
        "a", "s", why().model_copy(update={"attempt": 3})
    ),
    "shard deleted": lambda store: shutil.rmtree(store.shard("a")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_next_look_finds_what_was(done: Store, change: str) -> None:
    before = traces_of(done, "a")
    CHANGES[change](done)
    assert traces_of(done, "a") == afresh(done) != before


def test_an_attempt_that_runs_is_always_read_afresh(done: Store) -> None:
    done.claim(claim("a", 3))
    traces_of(done, "a")
    beat = done.attempt_folder("a", 3) / "heartbeat.json"
    for step in (1, 2):  # written in place: nothing is renamed in its folder
        beat.write_text(Heartbeat(attempt=3, time=1, step=step, total=9).model_dump_json())
        last = traces_of(done, "a").attempts[-1]
        assert last.beat is not None
        assert last.beat.step == step


def test_what_has_just_changed_is_read_again(tmp_path: Path) -> None:
    """The next change may leave the same times and size behind."""
    store = Store(tmp_path)
    store.write_result(result("a", digest="d"))
    assert traces_of(store, "a").result == result("a", digest="d")
    path = store.result_path("a")
    times = path.stat()
    path.write_text(path.read_text().replace('"d"', '"e"'))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert traces_of(store, "a").result == result("a", digest="e")
