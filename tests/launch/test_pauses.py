"""A pause on disk: kept until it is lifted, remembered afterwards."""

from __future__ import annotations

from pathlib import Path

from xtl.launch.pauses import Pauses, has_room
from xtl.launch.records import Pause


def full(since: float) -> Pause:
    return Pause(cause="storage", line="No space left on device", shards={"a": 1}, since=since)


def test_a_pause_lasts_until_it_is_lifted(tmp_path: Path) -> None:
    pauses = Pauses(tmp_path)
    assert pauses.lift() is None
    pauses.begin(full(1.0))
    pauses.begin(full(2.0))
    assert pauses.current() == full(1.0)
    assert pauses.lift() == full(1.0)
    assert pauses.current() is None
    assert pauses.lifted() == [full(1.0)]


def test_each_further_one_for_want_of_room_lasts_twice_as_long(tmp_path: Path) -> None:
    pauses, rests = Pauses(tmp_path), []
    for since in (0.0, 100.0, 200.0, 300.0):
        pauses.begin(full(since))
        rests.append(pauses.rest_s(full(since), since))
        pauses.lift()
    assert rests == [30.0, 60.0, 120.0, 240.0]
    assert pauses.rest_s(full(300.0), 1e9) == 0.0


def test_room_is_what_can_be_written(tmp_path: Path) -> None:
    assert has_room(tmp_path, 1)
    assert not has_room(tmp_path, 10**18)
    assert list(tmp_path.iterdir()) == []


def test_a_pause_that_a_person_lifts_while_a_launcher_looks_stays_lifted(tmp_path: Path) -> None:
    pauses = Pauses(tmp_path)
    pauses.begin(full(5.0))
    pauses.lift()
    pauses.begin(full(5.0))
    assert pauses.current() is None
    pauses.begin(full(6.0))
    assert pauses.current() == full(6.0)
