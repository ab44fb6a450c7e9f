"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    condition: Callable[[], T], limit_s: float = 30.0, what: str = "", every_s: float = 0.05
) -> T:
    """The first true value of `condition`; TimeoutError, naming `what`, after `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what or 'a condition'}: not within {limit_s:g} s, was {value!r}")
        time.sleep(every_s)
    return value
