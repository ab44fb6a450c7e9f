"""A table of names and figures for a terminal, without a border."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table


def plain_table(*left: str, right: Sequence[str] = (), wrap: bool = False) -> Table:
    """Columns of names by their headings, and after them columns of figures; `wrap` lets names be
    wrapped."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in left:
        table.add_column(heading, no_wrap=not wrap)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
