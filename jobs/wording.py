"""How lines for people are worded and set: counts with their nouns, long lines wrapped at words."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.text import Text

from xtl.report.numbers import plural


def many(count: int, noun: str, verb: str = "") -> str:
    """`1 shard`, `1,200 shards`; with a regular verb `1 job waits`, `2 jobs wait`."""
    ending = "s" if count == 1 else ""
    return plural(count, noun) + (f" {verb}{ending}" if verb else "")


def some(names: Collection[str], most: int = 2) -> str:
    """`a; b and 3 more`."""
    shown, rest = "; ".join(list(names)[:most]), len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def say(console: Console, line: str | Text) -> None:
    """On a terminal wrapped at words, as the terminal itself would not; elsewhere, where it may be
    searched for, whole. Never read as rich's markup."""
    text = Text(line) if isinstance(line, str) else line
    console.print(text, soft_wrap=not console.is_terminal)
