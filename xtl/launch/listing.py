"""What is in a sweep's folder, as far as `xtl clean` has to do with it: sizes, counts and ages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listed:
    """A file, or a folder with all in it. `path` is relative to the sweep's folder; `bytes` are
    what its deletion frees, so that a file with another name elsewhere counts for none; `changed`
    is the latest change in it, in seconds since the epoch."""

    path: str
    bytes: int
    files: int
    changed: float

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def listing(root: Path) -> list[Listed]:
    """Everything that cleaning judges as one, sorted by path. Reads names and sizes alone."""
    return sorted(
        (_weigh(root, path) for path in _places(root)), key=lambda entry: entry.path
    )  # fmt: skip


def _places(root: Path) -> Iterator[Path]:
    for path in _in(root):
        if path.name.startswith("."):
            yield path
    for shard in _in(root / "shards"):
        for path in _in(shard):
            if path.name != "attempts":
                yield path
        for attempt in _in(shard / "attempts"):
            yield from (path for path in _in(attempt) if path.name.startswith("."))
    for kind in ("submissions", "batches"):
        for owner in _in(root / kind):
            yield from _in(owner)
    yield from _in(root / "code")
    for place in _in(root / "mirror" / ".tokens"):
        yield from _in(place)
    if (root / "wandb" / "cache").is_dir():
        yield root / "wandb" / "cache"


def _in(folder: Path) -> list[Path]:
    """Nothing of a folder that a link leads to: it is somebody else's."""
    try:
        return [] if folder.is_symlink() else sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _weigh(root: Path, path: Path) -> Listed:
    total, files, changed = 0, 0, 0.0
    for each in _walk(path):
        try:
            found = each.lstat()
        except FileNotFoundError:  # gone meanwhile
            continue
        folder = each.is_dir() and not each.is_symlink()
        total += 0 if folder or found.st_nlink > 1 else found.st_size
        files += 1
        changed = max(changed, found.st_mtime)
    return Listed(path.relative_to(root).as_posix(), total, files, changed)


def _walk(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for place, folders, names in os.walk(path):
            yield from (Path(place, name) for name in (*folders, *names))
