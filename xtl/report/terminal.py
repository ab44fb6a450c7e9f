"""The sweep's table for a terminal: made for 80 columns, and split where it is wider."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from xtl.analysis.summary import ENGLISH, HIGH, LOW, WITHOUT_ENGLISH
from xtl.report.arms import arm_line
from xtl.report.boards import HOW, TITLE, Board, Kind, boards
from xtl.report.data import ReportData
from xtl.report.numbers import ABSENT, count, listing, number, signed, span
from xtl.report.views import Point, View, beside, is_low, make_views, series_name
from xtl.report.wording import (
    UNDECLARED,
    control_line,
    coverage_line,
    group_line,
    headline,
    treated_table,
)
from xtl.tasks.languages import language

_FEWER = "*"
_FOOTNOTE = f"{_FEWER} fewer replicates than planned"

_SHORT = {ENGLISH: "en", LOW: "low", HIGH: "high", WITHOUT_ENGLISH: "mean"}
_INDENT: dict[Kind, str] = {"group": "", "task": "  ", "without English": "    ", "all": ""}


def show(console: Console, data: ReportData) -> None:
    """Print two tables a curve, groups by size and languages by size; XTREME's averages where
    there are any; last the headline."""
    table = treated_table(data)
    views = make_views(table, data.manifest.primary)
    for view in views:
        if not view.retrieval:
            _show_curve(console, views, view, arm_line(data, view.arm))
    for view in _retrieval_alone(views):
        _show_languages(console, view)
        if selected := arm_line(data, view.arm):
            console.print(Text(selected, style="dim"))
            console.print()
    _show_boards(console, boards(table, data), arm_line(data))
    _show_headline(console, data)


def _retrieval_alone(views: Sequence[View]) -> list[View]:
    """Retrieval curves, where there is nothing beside which to show them."""
    return [] if any(not view.retrieval for view in views) else list(views)


def _show_curve(console: Console, views: Sequence[View], view: View, selected: str) -> None:
    console.print(Text(f"{view.title}, in %", style="bold"))
    before, after = beside(views, view, ""), beside(views, view, view.target)
    _print(console, _groups_table(view, before[:1], after[:1]))
    if not view.english_alone:
        _show_languages(console, view)
    for line in filter(None, (selected, *_legend(view, before or after))):
        console.print(Text(line, style="dim"))
    console.print()


def _legend(view: View, retrieval: Sequence[View]) -> list[str]:
    lines = [] if view.english_alone else [group_line(view.languages)]
    lines.append("Range: over replicates. Gain: over the same seed's size 0.")
    for first in retrieval[:1]:
        others = listing([other.set for other in retrieval[1:]])
        lines.append(
            f"Retrieval: mean {first.metric_name} on {first.set}, before and after the "
            f"target training{f' ({others}: in the report)' if others else ''}."
        )
    marked = any(shown.partial for shown in (view, *retrieval[:1]))
    return [*lines, _FOOTNOTE] if marked else lines


def _show_boards(console: Console, found: Sequence[Board], selected: str) -> None:
    for board in found:
        console.print(Text(f"{TITLE} ({board.title})", style="bold"))
        names = max(len(_INDENT[line.kind] + line.name) for line in board.lines)
        for block in _blocks(board.sizes, console.width - names - len("languages") - 3):
            _print(console, _board_table(board, block))
        for line in filter(None, (board.means, board.missing)):
            console.print(Text(line, style="dim"))
        console.print()
    if found:
        console.print(Text(f"{HOW} {selected}".strip(), style="dim"))
        console.print()


def _board_table(board: Board, block: Sequence[tuple[str, int]]) -> Table:
    table = _plain_table()
    _column(table, "score", left=True)
    _column(table, "languages")
    for size, _ in block:
        _column(table, size)
    for line in board.lines:
        cells = [_marked(board.level(line, size), board.partial) for size, _ in block]
        style = "bold" if line.kind in ("group", "all") else ""
        table.add_row(f"{_INDENT[line.kind]}{line.name}", line.languages, *cells, style=style)
    return table


def _show_headline(console: Console, data: ReportData) -> None:
    found = headline(data)
    if found is None:
        console.print(Text(UNDECLARED))
    else:
        console.print(Text(f"{found.figure} {found.unit}", style="bold"))
        chains = ", ".join(f"{name} {value}" for name, value in found.chains)
        for line in filter(None, (found.claim, chains, found.certainty, *found.remarks)):
            console.print(Text(line))
    console.print(Text(coverage_line(data)))
    if control := control_line(data):
        console.print(Text(f"{control}; its table is in the report"))


def _plain_table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, show_edge=False
    )


def _print(console: Console, table: Table) -> None:
    """Whole, at the table's own width: a terminal that is too narrow wraps it, nothing is cut."""
    needed = console.measure(table, options=console.options.update(width=10_000)).maximum
    table.width = needed
    console.print(table, crop=False)
    console.print()


def _column(table: Table, heading: str, left: bool = False) -> None:
    table.add_column(
        escape(heading), justify="left" if left else "right", no_wrap=True, vertical="bottom"
    )


def _groups_table(view: View, before: Sequence[View], after: Sequence[View]) -> Table:
    """A row a size: English, the groups, the gain, and retrieval before and after the target."""
    main = view.main_group
    short = _SHORT[main]
    levels = [ENGLISH] if view.english_alone else [ENGLISH, main, HIGH]
    headings = [_SHORT[name] for name in levels]
    headings.insert(levels.index(main) + 1, f"{short} range")
    headings = ["size", "examples", *headings, f"{short}\ngain"]
    headings += ["retrieval\nbefore"] * len(before) + ["retrieval\nafter"] * len(after)
    table = _plain_table()
    for position, heading in enumerate(headings):
        _column(table, heading, left=position == 0)
    for size, examples in view.sizes:
        cells = [_mean(view, name, size) for name in levels]
        cells.insert(levels.index(main) + 1, _span(view.level(main, size)))
        cells = [size, count(examples), *cells, _gain(view, main, size, examples)]
        cells += [_mean(other, WITHOUT_ENGLISH, size) for other in (*before, *after)]
        table.add_row(*map(escape, cells))
    return table


def _mean(view: View, name: str, size: str) -> str:
    return _marked(view.level(name, size), view.partial)


def _marked(point: Point, any_is: bool) -> str:
    """The mean, marked where replicates are missing; a space there if the table has any mark."""
    return number(point.mean) + (_FEWER if point.partial else " " if any_is else "")


def _span(point: Point) -> str:
    return span(point.minimum, point.maximum) if point.runs > 1 else ABSENT


def _gain(view: View, name: str, size: str, examples: int) -> str:
    return signed(view.gain(name, size).mean) if examples else ""


def _show_languages(console: Console, view: View) -> None:
    """A row a language, lowest CC-100 size first; sizes in as many blocks as the width asks."""
    names = max(len("language"), *(len(series_name(code)) for code in view.languages))
    for block in _blocks(view.sizes, console.width - names - len(" CC-100") - 2):
        table = _plain_table()
        _column(table, "language", left=True)
        _column(table, "CC-100\nGiB")
        for size, _ in block:
            _column(table, size)
        for code in view.languages:
            table.add_row(*_language_row(view, code, block), style="bold" if is_low(code) else "")
        _print(console, table)


def _language_row(view: View, code: str, block: Iterable[tuple[str, int]]) -> list[str]:
    size = language(code).cc100_gib
    values = [_mean(view, code, label) for label, _ in block]
    return [series_name(code), ABSENT if size is None else f"{size:.1f}", *values]


def _blocks(sizes: Sequence[tuple[str, int]], room: int) -> list[Sequence[tuple[str, int]]]:
    """The sizes in as many blocks as `room` columns ask for, at least one size each."""
    cell = 1 + max(len("100.0*"), *(len(label) for label, _ in sizes))
    each = max(1, room // cell)
    return [sizes[start : start + each] for start in range(0, len(sizes), each)]
