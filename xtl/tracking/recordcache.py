"""A small JSON beside the runs, so that a folder that did not change is not parsed twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from xtl.files import read_json, write_whole
from xtl.tracking.record import RunRecord

VERSION = 1  # raised when the same file would give another record


class RecordCache:
    """Records by path, each good for one size and modification time; written on leaving the block.

    It only saves work: one that is missing, damaged or cannot be written costs a slower reading.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, Any] = _load(path)
        self._seen: dict[str, Any] = {}

    def __enter__(self) -> RecordCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._seen != self._held:
            with suppress(OSError):
                content = {"version": VERSION, "records": self._seen}
                write_whole(self._path, json.dumps(content))

    def get(
        self, path: Path, name: str, read: Callable[[Path, str], RunRecord | None]
    ) -> RunRecord | None:
        """The record of the file at `path`, held under `name`, read if the file has changed."""
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        held = self._held.get(name)
        if held is None or held["stamp"] != stamp:
            record = read(path, name)
            held = {"stamp": stamp, "record": None if record is None else asdict(record)}
        self._seen[name] = held
        return None if held["record"] is None else RunRecord(**held["record"])


def _load(path: Path) -> dict[str, Any]:
    with suppress(OSError, KeyError, TypeError, ValueError):
        content = read_json(path)
        if content is not None and content["version"] == VERSION:
            return dict(content["records"])
    return {}
