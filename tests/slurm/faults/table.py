"""The table of faults in docs/reliability.md: a row for each, between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.faults import PARTS
from tests.slurm.faults.catalogue import FAULTS, Fault
from xtl.files import write_whole

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = """\
| fault | how it was made | what happened | time to recovery | what was lost |
|---|---|---|---|---|"""

_ROOMS = [room.__name__ for room in PARTS]


@dataclass(frozen=True)
class Row:
    """What a fault's test has found. `held`: all that is promised did."""

    happened: str
    seconds: float | None
    held: bool = True


def write(page: Path, rows: Mapping[str, Row]) -> None:
    """Put these rows into the page's table; other faults keep theirs."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    kept = {line.split(" | ")[0].lstrip("| "): line for line in old.splitlines()[3:]}
    lines = [_line(each, rows.get(each.name)) or kept.get(each.title, "") for each in in_order()]
    table = "\n".join([HEAD, *(line for line in lines if line)])
    write_whole(page, f"{before}{BEGIN}\n{table}\n{END}{after}")


def in_order() -> list[Fault]:
    """All faults, as the table has them."""
    return sorted(FAULTS, key=lambda each: _ROOMS.index(each.act.__module__))


def _line(each: Fault, row: Row | None) -> str:
    if row is None:
        return ""
    lost = "nothing" if row.held else "see the test"
    time = "–" if row.seconds is None else f"{row.seconds:.0f} s"
    return f"| {each.title} | {each.how} | {row.happened} | {time} | {lost} |"
