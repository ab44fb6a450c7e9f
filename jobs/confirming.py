"""Asking before something is done that cannot be undone, or costs hours."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from xtl.errors import UserError


def confirmed(console: Console, question: str, yes: bool) -> bool:
    """Whether a person agrees: by --yes, or at a terminal. UserError where nobody can be asked."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "--yes: found none, and no terminal to ask at, expected it (ARGS=--yes), "
            "or --dry-run to see alone"
        )
    console.print(f"{question} [y/N] ", end="", highlight=False, markup=False)
    return typer.get_text_stream("stdin").readline().strip().casefold() in ("y", "yes")
