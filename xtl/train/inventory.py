"""What files a folder ought to hold, by size and hash: how a torn or altered one is told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict

from xtl.data.mirror import file_hash


class Entry(TypedDict):
    """A file's bytes: how many, and their sha256."""

    size: int
    sha256: str


Inventory = dict[str, Entry]
"""Entries by file name."""


def take_inventory(
    folder: Path, names: Iterable[str], known: Mapping[str, str] | None = None
) -> Inventory:
    """Entries of the named files, once they are on disk. `known` spares hashing: name → sha256."""
    known = known or {}
    return {name: _entry(folder / name, known.get(name)) for name in names}


def find_fault(folder: Path, inventory: Mapping[str, Entry]) -> str | None:
    """What first differs from the inventory, in words; None if nothing does."""
    for name, entry in inventory.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            return f"{name}: found no such file"
        if size != entry["size"]:
            return f"{name}: found {size} bytes, expected {entry['size']}"
        if file_hash(path) != entry["sha256"]:
            return f"{name}: found other content than was recorded"
    return None


def _entry(path: Path, sha256: str | None) -> Entry:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return {"size": path.stat().st_size, "sha256": sha256 or file_hash(path)}
