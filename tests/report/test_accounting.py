"""The report's account of device time and space."""

from __future__ import annotations

from dataclasses import replace

from tests.report.sweeps import ACCOUNTS, BOOKS, report_data
from xtl.launch.accounting import Accounts
from xtl.launch.books import Books
from xtl.launch.space import Space
from xtl.report.accounting import accounting
from xtl.report.html import render
from xtl.sweep.correction import ToGo


def test_each_stage_and_all_of_them_say_what_was_kept() -> None:
    found = accounting(BOOKS)
    assert found
    assert found.stages == [
        ["intermediate", "0.62 h", "0.50 h", "0.12 h", "20.0%"],
        ["target", "0.28 h", "0.25 h", "1.5 min", "9.1%"],
        ["evaluate", "1.1 min", "1.0 min", "0.1 min", "9.1%"],
        ["all", "0.92 h", "0.77 h", "0.15 h", "16.5%"],
    ]


def test_causes_are_told_by_stage_the_greatest_first() -> None:
    found = accounting(BOOKS)
    assert found
    assert found.cause_headings == ["wasted by", "intermediate", "target", "evaluate", "all"]
    assert found.causes[0] == ["node", "0.12 h", "–", "–", "0.12 h"]
    names = [row[0].partition(":")[0].partition(",")[0] for row in found.causes]
    assert names == ["node", "time-limit", "start-up", "stale"]


def test_the_bar_is_as_long_as_what_is_used_and_to_go() -> None:
    found = accounting(BOOKS)
    assert found
    assert [part.kind for part in found.bar] == ["kept", "wasted", "to-go"]
    assert abs(sum(part.share for part in found.bar) - 100) < 0.1


def test_what_is_to_go_has_a_range_only_where_something_was_finished() -> None:
    found = accounting(BOOKS)
    assert found
    assert "80% range 0.25 h to 0.44 h" in found.to_go
    assert found.to_go.endswith("2.0 min more wait for a person.")
    guessed = replace(ACCOUNTS, left=ToGo(said=1000.0, expected=1000.0), stuck=ToGo())
    plain = accounting(replace(BOOKS, accounts=guessed))
    assert plain
    assert plain.to_go == "To go: about 0.28 h, by the forecast alone."


def test_a_mirror_elsewhere_is_no_part_of_the_sum() -> None:
    found = accounting(BOOKS)
    assert found
    assert found.space == [
        ["artifacts", "3.00 GiB", "120"],
        ["W&B", "5.0 MiB", "36"],
        ["all", "3.00 GiB", "156"],
        ["beside it, of a mirror elsewhere", "1.00 GiB", "40"],
    ]


def test_where_nothing_was_counted_there_is_nothing_to_tell() -> None:
    assert accounting(None) is None
    assert accounting(Books(Accounts(), Space(), None)) is None
    assert "Nothing has been run." in render(replace(report_data(), books=None))
