"""What `xtl status` says of what was used and what is to come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.accounts import Accountant, as_data, lines, size
from jobs.options import DEMO, session
from tests.bench import Bench
from tests.conftest import lock_for
from tests.launch.records import claim, failed
from tests.report.sweeps import ACCOUNTS, BOOKS
from xtl.launch.books import Books
from xtl.launch.records import Failure
from xtl.launch.space import Free, Space, ToCome, Usage
from xtl.launch.spells import Cause
from xtl.sweep.correction import ToGo
from xtl.sweep.manifest import Manifest
from xtl.sweep.shard import Stage


def said(found: Books) -> list[str]:
    told = [line.plain for line in lines(found)]
    assert all(len(line) <= 80 for line in told), told
    return told


def test_a_few_lines_say_it_all() -> None:
    assert said(BOOKS) == [
        "used 0.92 device-hours: 0.77 kept, 0.15 wasted",
        "  by node 0.12, time-limit 0.025, start-up 0.0083, stale 0.0017",
        "to go: about 0.33 device-hours (0.25 to 0.44)",
        "  the forecast says 0.28; by 7 finished shards, 1.20 times that",
        "0.033 device-hours more wait for a person",
        "disk: 3.0 GiB in 156 files and folders; 1.0 GiB of the mirror elsewhere",
        "  64 GiB free",
        "  to come: up to 3.0 GiB and 194 files more; 4.0 GiB in the end",
    ]


def test_few_causes_stand_on_the_first_line() -> None:
    accounts = replace(
        ACCOUNTS,
        kept={"target": 11 * 3_600_000},
        wasted={("target", "time-limit"): 3_240_000, ("target", "node"): 1_440_000},
    )
    line = "used 12.3 device-hours: 11.0 kept, 1.3 wasted (time-limit 0.9, node 0.4)"
    assert said(replace(BOOKS, accounts=accounts))[0] == line


def test_many_causes_end_in_an_ellipsis() -> None:
    causes: list[Cause] = ["node", "communication", "configuration", "preempted", "time-limit",
                           "diverged", "unknown"]  # fmt: skip
    wasted: dict[tuple[Stage, Cause], int] = {("target", cause): 4_000_000 for cause in causes}
    told = said(replace(BOOKS, accounts=replace(ACCOUNTS, wasted=wasted)))[1]
    assert told.endswith(", …")


def test_what_nothing_was_finished_of_has_no_range() -> None:
    accounts = replace(ACCOUNTS, left=ToGo(said=3600.0, expected=3600.0, low=1.0, high=9999.0))
    found = replace(BOOKS, accounts=accounts)
    line = "to go: 1.0 device-hours by the forecast; nothing to check it by yet"
    assert said(found)[2] == line
    assert as_data(found)["device_seconds"]["to_go"]["low"] is None


def test_when_all_is_done_nothing_is_to_come() -> None:
    accounts = replace(ACCOUNTS, left=ToGo(), stuck=ToGo())
    told = said(replace(BOOKS, accounts=accounts))
    assert len(told) == 4
    assert told[-1] == "  64 GiB free"
    near = replace(BOOKS, accounts=accounts, space=replace(BOOKS.space, outside=Usage()))
    assert said(near)[-1] == "disk: 3.0 GiB in 156 files and folders; 64 GiB free"


@pytest.mark.parametrize(
    ("free", "word"),
    [(Free(2**30, 10**6), "the disk may fill"), (Free(2**40, 3), "inodes may run out")],
)
def test_too_little_room_is_said(free: Free, word: str) -> None:
    found = replace(BOOKS, space=replace(BOOKS.space, free=free))
    assert said(found)[-1].startswith(word)
    assert lines(found)[-1].style == "yellow"


def test_a_file_system_that_does_not_count_inodes_cannot_run_out_of_them() -> None:
    space = Space({"W&B": Usage(10, 10)}, free=Free(2**40, None))
    found = Books(ACCOUNTS, space, ToCome(Usage(20, 10**12), Usage(20, 10**12)))
    assert not any("inodes" in line for line in said(found))


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (900, "900 B"), (2048, "2.0 KiB"), (5 * 2**30, "5.0 GiB"),
     (41 * 2**30, "41 GiB"), (30 * 2**40, "30 TiB")],
)  # fmt: skip
def test_sizes_are_short(count: int, text: str) -> None:
    assert size(count) == text


def test_data_for_machines_adds_up() -> None:
    spent = as_data(BOOKS)["device_seconds"]
    wasted = sum(entry["device_seconds"] for entry in spent["wasted"])
    assert spent["used"] == pytest.approx(sum(spent["kept"].values()) + wasted)


# -- of a folder ------------------------------------------------------------------------------
def test_before_there_is_a_lock_there_is_nothing_to_say(tmp_path: Path) -> None:
    opened = session(DEMO, tmp_path, "local", None)
    assert Accountant(opened).books({}, {}) is None


def test_a_failed_attempt_in_a_folder_is_told_with_its_cause(
    demo: Manifest, tmp_path: Path
) -> None:
    opened = session(DEMO, tmp_path, "local", None)
    opened.store.write_lock(lock_for(demo))
    shard = next(iter(opened.plan.shards.values()))
    opened.store.write_shard(shard)
    opened.store.claim(claim(shard.id, 1))
    opened.store.note_failure(shard.id, 1, Failure(cls="node", line="NODE_FAIL"))
    opened.store.end_attempt(shard.id, 1, failed("code"))
    seen, known = opened.look()
    found = Accountant(opened).books(known, seen.evidence)
    assert found
    assert found.accounts.used == 200_000
    assert found.accounts.all_kept == 0
    assert found.to_come
    assert said(found)[0].startswith("used 0.056 device-hours: 0 kept, 0.056 wasted (")


@pytest.mark.slow
def test_a_sweep_without_a_fault_wastes_nothing_and_counts_its_starts(swept: Bench) -> None:
    """More than its shards took from their claims on: processes start before that."""
    opened = session(swept.folder / "tiny.yaml", swept.root, "local", None)
    seen, known = opened.look()
    found = Accountant(opened).books(known, seen.evidence)
    assert found
    claimed = sum(
        (entry.end.finished - entry.claim.started) * entry.claim.world_size
        for own in seen.evidence.values()
        for entry in own.attempts
        if entry.end
    )
    assert found.accounts.all_wasted == 0
    assert found.accounts.used > 1000 * claimed
    assert found.accounts.left.said == 0
    beats = [entry.beat for own in seen.evidence.values() for entry in own.attempts]
    assert all(beat and beat.ready and beat.step == beat.total for beat in beats)
    assert found.space.kinds["mirror"].files > 0 or found.space.outside.files > 0
