"""Asking before something is done that cannot be undone, or costs hours."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import typer
from rich.console import Console

from jobs.wording import some
from xtl.errors import UserError
from xtl.launch.session import Session
from xtl.launch.slurm.scheduler import SlurmScheduler


def require_decided(json: bool, yes: bool, dry_run: bool) -> None:
    """UserError where a machine asks, and does not say whether it is to be done."""
    if json and not (yes or dry_run):
        raise UserError(
            "--json: found neither --yes nor --dry-run, expected one of them: nobody is asked "
            "about a list that nobody has seen"
        )


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


def forget(opened: Session) -> None:
    """What Slurm said before the question: it is asked again at the next look."""
    if isinstance(opened.scheduler, SlurmScheduler):
        opened.scheduler.watch.forget()


def require_unchanged(
    shown: Mapping[str, object], found: Mapping[str, object], fewer: bool = False
) -> None:
    """What was agreed to is what would be done now, both by the names of what it is done to;
    `fewer`: names may be gone. Raises UserError that says what has changed meanwhile."""
    changes = {
        "new": [name for name in found if name not in shown],
        "no longer": [name for name in shown if name not in found and not fewer],
        "otherwise": [name for name in found if name in shown and found[name] != shown[name]],
    }
    if any(changes.values()):
        said = "; ".join(f"{how}: {some(names)}" for how, names in changes.items() if names)
        raise UserError(
            f"meanwhile it is no longer what was shown ({said}): nothing is done, run it again"
        )
