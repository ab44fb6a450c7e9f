"""Rows of squeue and sacct, as the commands print them."""

from __future__ import annotations

import pytest

from xtl.launch.slurm.rows import NO_INDEX, parse_accounts, parse_queue


def test_a_row_of_the_queue_has_times_in_seconds_and_its_age() -> None:
    (row,) = parse_queue("7|2|b|FAILED|n[1-2]|9000|9600|ReqNodeNotAvail, a|b", 9700.0)
    assert (row.array, row.index, row.job, row.node) == ("7", 2, "7_2", "n[1-2]")
    assert (row.start, row.end, row.age_s) == (9000.0, 9600.0, 100.0)
    assert row.reason == "ReqNodeNotAvail, a|b"


@pytest.mark.parametrize("time", ["N/A", "Unknown", "NONE", "0", ""])
def test_what_is_no_time_is_none(time: str) -> None:
    (row,) = parse_queue(f"7|2|b|PENDING||{time}|{time}|Priority", 9700.0)
    assert (row.start, row.end, row.age_s) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("listed", "indexes"),
    [("3", [3]), ("[0-2,7%2]", [0, 1, 2, 7]), ("[0-8:4]", [0, 4, 8]), ("[1,3,...]", [1, 3])],
)
def test_a_row_of_many_tasks_is_one_each(listed: str, indexes: list[int]) -> None:
    rows = parse_accounts(f"7_{listed}|PENDING|0:0|0:0|None assigned|Unknown|Unknown|b")
    assert [row.index for row in rows] == indexes
    assert {(row.node, row.start, row.shared) for row in rows} == {("", None, "[" in listed)}
    assert [row.job for row in rows] == [f"7_{index}" for index in indexes]


def test_a_job_that_is_in_no_array_has_no_index_and_its_own_id() -> None:
    (row,) = parse_queue("7|N/A|b|RUNNING|n1|9000|9600|None", 9700.0)
    booked, step = parse_accounts(
        "7|RUNNING|0:0|0:0|n1|9000|Unknown|b\n7.batch|RUNNING|0:0||n1|9000|Unknown|x"
    )
    assert {(entry.job, entry.index) for entry in (row, booked, step)} == {("7", NO_INDEX)}
    assert (booked.step, step.step) == ("", "batch")


@pytest.mark.parametrize(
    ("cell", "code", "signal"), [("1:0", 1, 0), ("0:9", 0, 9), ("0:125", 0, 125), ("", 0, 0)]
)
def test_an_exit_is_a_code_and_a_signal(cell: str, code: int, signal: int) -> None:
    """A step of a node that failed has none."""
    (row,) = parse_accounts(f"7_0.0|FAILED|{cell}||n1|9000|9100|python")
    assert (row.exit.code, row.exit.signal) == (code, signal)
    assert bool(row.exit) == (cell not in ("", "0:0"))


def test_lines_that_are_no_rows_are_passed_over() -> None:
    assert parse_queue("CLUSTER: other\n\n7|0|b\n", 0.0) == []
    assert parse_accounts("12+0|RUNNING|0:0|0:0|n1|9000|Unknown|b\nnonsense\n") == []
