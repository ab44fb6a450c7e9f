"""Spans of time as Slurm and profiles write them."""

from __future__ import annotations

import re

_SPAN = re.compile(r"(?:(?:(\d+)-)?(\d+):)?([0-5]?\d):([0-5]\d)")


def seconds_of(text: str) -> int | None:
    """Of `D-HH:MM:SS`, `HH:MM:SS` or `MM:SS`; None for UNLIMITED and whatever else is none."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
