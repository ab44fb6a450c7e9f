"""What files said when they were last read: read again only where stat tells that they changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_RIPE_S = 2.0
"""A change that comes sooner after the one before may have left the same times behind."""

_Mark = tuple[int, int, int, int, int]


class Memo:
    """By path. Every question asks for the path's times, size and inode, which a write, a rename
    into its place and a deletion change; of a folder, what is renamed, made or deleted in it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Mark, Any]] = {}

    def of(
        self, path: Path, read: Callable[[], T], lasts: Callable[[T], bool] = lambda _: True
    ) -> T | None:
        """What `read` makes of the path; None where nothing is there. What does not last is read
        again the next time, changed or not."""
        key = str(path)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._known.pop(key, None)
            return None
        mark = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)
        before = self._known.get(key)
        if before is not None and before[0] == mark and lasts(before[1]):
            value: T = before[1]
            return value
        value = read()  # after the stat: a change in between is noticed the next time
        if lasts(value) and time.time() - max(found.st_mtime, found.st_ctime) > _RIPE_S:
            self._known[key] = mark, value
        else:
            self._known.pop(key, None)
        return value
