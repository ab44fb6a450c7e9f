"""Of many who ask for a folder one builds it, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from tests.data.builders import asking, builders, said
from xtl.data import claims
from xtl.data.claims import Owner, build_once

pytestmark = pytest.mark.slow


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def fill(folder: Path) -> None:
    (folder / "file").write_text("built")


def claim_by(desk: Path, owner: Owner, age: float) -> Path:
    """A claim that was touched `age` seconds ago."""
    desk.mkdir(parents=True)
    claim = desk / "claim-000001"
    claim.write_text(json.dumps(vars(owner)))
    os.utime(claim, (time.time() - age,) * 2)
    return claim


ELSEWHERE = Owner("another-host", "", 1)


def test_it_is_built_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    build_once(tmp_path / "made" / "place", tmp_path / "desks" / "one", fill, print)
    assert names(tmp_path / "made") == ["file", "place"]
    assert names(tmp_path / "desks") == []


def test_what_is_there_is_not_built_again(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    build_once(tmp_path / "place", tmp_path / "desk", fill, print)
    assert names(tmp_path) == ["place"]


def test_thirty_two_processes_that_ask_at_once_build_it_once(tmp_path: Path) -> None:
    processes = [asking(tmp_path, seconds=1) for _ in range(32)]
    while len(list(tmp_path.glob("ready-*"))) < 32:
        time.sleep(0.05)
    (tmp_path / "go").touch()
    outputs = [said(process) for process in processes]
    assert len(builders(tmp_path)) == 1
    assert sum("building" in output for output in outputs) == 1
    (builder,) = builders(tmp_path)
    waited = [output for output in outputs if f"waiting for process {builder} on" in output]
    assert len(waited) > 20  # the rest came when it was there
    assert names(tmp_path / "made") == ["place", "whole"]
    assert names(tmp_path / "desks") == []


def test_a_builder_that_is_killed_is_followed_by_another_at_once(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    first = asking(tmp_path, seconds=60)
    assert first.stdout is not None
    assert first.stdout.readline() == "building\n"
    second = asking(tmp_path, seconds=0)
    assert second.stdout is not None
    assert second.stdout.readline().startswith(f"waiting for process {first.pid} on")
    first.kill()
    second.communicate(timeout=20)
    first.communicate()
    assert builders(tmp_path) == [str(first.pid), str(second.pid)]
    assert names(tmp_path / "made") == ["place", "whole"]
    assert names(tmp_path / "desks") == []


def test_another_hosts_builder_is_waited_for_while_it_touches_its_claim(tmp_path: Path) -> None:
    desk, place = tmp_path / "desks" / "one", tmp_path / "made" / "place"
    claim_by(desk, ELSEWHERE, age=claims.STALE_SECONDS - 10)
    lines: list[str] = []
    waiter = threading.Thread(target=build_once, args=(place, desk, fill, lines.append))
    waiter.start()
    waiter.join(timeout=1.5)
    assert waiter.is_alive()
    assert lines == ["waiting for process 1 on another-host, which builds it"]
    place.mkdir(parents=True)  # what the other one was building
    waiter.join(timeout=5)
    assert not waiter.is_alive()
    assert names(tmp_path / "made") == ["place"]


def test_another_hosts_claim_that_nobody_touches_is_taken_over(tmp_path: Path) -> None:
    desk, place = tmp_path / "desks" / "one", tmp_path / "made" / "place"
    claim_by(desk, ELSEWHERE, age=claims.STALE_SECONDS + 10)
    (desk / "staged-another-host-1").mkdir()
    build_once(place, desk, fill, print)
    assert names(tmp_path / "made") == ["file", "place"]
    assert names(tmp_path / "desks") == []


def test_a_claim_that_was_cut_counts_by_its_time(tmp_path: Path) -> None:
    desk = tmp_path / "desks" / "one"
    claim_by(desk, ELSEWHERE, age=claims.STALE_SECONDS + 10).write_text('{"ho')
    os.utime(desk / "claim-000001", (1, 1))
    build_once(tmp_path / "place", desk, fill, print)
    assert (tmp_path / "place" / "file").exists()


def test_a_builder_touches_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.05)
    times: list[float] = []

    def build(folder: Path) -> None:
        for _ in range(2):
            time.sleep(0.3)
            times.append((folder.parent / "claim-000001").stat().st_mtime)

    build_once(tmp_path / "place", tmp_path / "desk", build, print)
    assert times[1] > times[0]


def test_an_error_is_raised_and_the_next_one_may_try(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise ValueError(f"no rows for {folder.name}")

    with pytest.raises(ValueError, match="no rows"):
        build_once(tmp_path / "place", tmp_path / "desk", fail, print)
    assert names(tmp_path) == []
    build_once(tmp_path / "place", tmp_path / "desk", fill, print)
    assert (tmp_path / "place" / "file").exists()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        build_once(tmp_path / "place", tmp_path / "desk", fail, print)


def test_who_was_taken_for_dead_throws_its_own_away(tmp_path: Path) -> None:
    """It slept; another took over and published; its own folder is gone when it wakes."""
    place, desk = tmp_path / "place", tmp_path / "desks" / "one"
    lines: list[str] = []

    def sleep(folder: Path) -> None:
        (desk / "claim-000001").touch()
        os.utime(desk / "claim-000001", (1, 1))
        (desk / "claim-000001").write_text(json.dumps(vars(ELSEWHERE)))
        os.utime(desk / "claim-000001", (1, 1))
        build_once(place, desk, fill, print)
        (folder / "late").write_text("late")

    build_once(place, desk, sleep, lines.append)
    assert names(place) == ["file"]
    assert lines == ["another process took over: it was taken for dead"]


def test_what_others_left_long_ago_is_removed(tmp_path: Path) -> None:
    for name, age in (("old", claims.ABANDONED_SECONDS + 60), ("new", 60)):
        staged = claim_by(tmp_path / "desks" / name, ELSEWHERE, age).parent / "staged-x-1"
        staged.mkdir()
        for path in (staged, staged.parent):
            os.utime(path, (time.time() - age,) * 2)
    build_once(tmp_path / "place", tmp_path / "desks" / "one", fill, print)
    assert sorted(path.name for path in (tmp_path / "desks").iterdir()) == ["new"]
