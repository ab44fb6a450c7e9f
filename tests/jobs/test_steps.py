"""What long work says, on a terminal and in a log."""

from __future__ import annotations

import io
import re

from rich.console import Console

from jobs.steps import Steps


def said(lines: list[str], *, terminal: bool) -> str:
    out = io.StringIO()
    with Steps(Console(file=out, width=60, force_terminal=terminal), "beginning") as steps:
        for line in lines:
            steps.say(line)
    return out.getvalue()


def test_a_log_has_the_first_and_the_last_of_a_count() -> None:
    counted = [f"a/b: {done} of 3 files, {done}.5 of 3.5 KiB" for done in range(4)]
    lines = said([*counted, "reading a/b (1/2)"], terminal=False).splitlines()
    assert lines == [counted[0], counted[-1], "reading a/b (1/2)"]


def test_a_log_has_every_line_that_is_no_count() -> None:
    lines = ["my/a.csv: 17 rows", "my/a.csv: 3 answers moved", "my/a.csv: 4 answers moved"]
    assert said(lines, terminal=False).splitlines() == lines


def test_a_terminal_keeps_what_is_worth_it_and_no_count() -> None:
    lines = ["reading a/b (1/2)", "my/a.csv: 17 rows", "tokenising a: 1 of 9 rows"]
    shown = re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\r", "", said(lines, terminal=True)).splitlines()
    spinning = re.compile("[\u2800-\u28ff] ")
    assert [line for line in shown if line and not spinning.match(line)] == ["my/a.csv: 17 rows"]


def test_a_path_with_brackets_is_no_markup() -> None:
    assert said(["my/[old]/[/x].csv: 17 rows"], terminal=False) == "my/[old]/[/x].csv: 17 rows\n"
