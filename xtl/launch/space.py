"""Space: bytes and files of a sweep's folder by kind, what is to come, and what is free.

One walk, without following links. Bytes are those that files occupy, as `du` counts them; a file
under several names counts once. Free is what the file system says of itself: a quota cannot be seen
that way.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from xtl.launch.removal import GONE
from xtl.sweep.disk import Disk
from xtl.sweep.lock import Lock

Kind = Literal[
    "mirror",
    "token cache",
    "checkpoints",
    "artifacts",
    "predictions",
    "results and attempts",
    "W&B",
    "code",
    "jobs and logs",
    "table and report",
]

_BLOCK = 512  # bytes, of st_blocks on any system
_AT_TOP: Mapping[str, Kind] = {
    "mirror": "mirror",
    "shards": "results and attempts",
    "wandb": "W&B",
    "code": "code",
    "submissions": "jobs and logs",
    "batches": "jobs and logs",
    "launcher.log": "jobs and logs",
}
_IN_A_SHARD: Mapping[str, Kind] = {
    "checkpoints": "checkpoints",
    "artifact": "artifacts",
    "predictions.parquet": "predictions",
}
_PER_SHARD: tuple[Kind, ...] = ("predictions", "results and attempts", "W&B", "jobs and logs")


class Usage(NamedTuple):
    """`files`: folders too; each is an inode."""

    bytes: int = 0
    files: int = 0


NOTHING = Usage()


@dataclass(frozen=True)
class Free:
    """Of a file system, for who asks; `files` is None where it does not count them."""

    bytes: int
    files: int | None


@dataclass(frozen=True)
class Space:
    """What a sweep's folder holds, by kind. `outside`: what it uses of a mirror that is elsewhere,
    which other sweeps may share; `outside_at`: where."""

    kinds: Mapping[Kind, Usage] = field(default_factory=dict)
    outside: Usage = NOTHING
    outside_at: str = ""
    free: Free | None = None

    @property
    def used(self) -> Usage:
        every = self.kinds.values()
        return Usage(sum(usage.bytes for usage in every), sum(usage.files for usage in every))


@dataclass(frozen=True)
class ToCome:
    """What the folder will hold when all is done, and an upper bound until then."""

    final: Usage
    peak: Usage


def to_come(space: Space, disk: Disk, done: int, left: int) -> ToCome:
    """By the forecast for artifacts and resume state; all else a shard leaves as much of as those
    that are `done` did."""
    now = space.used
    resume, models = _of(space, "checkpoints"), _of(space, "artifacts")
    small = sum(_of(space, kind).bytes for kind in _PER_SHARD) * left // done if done else 0
    stays = now.bytes - resume.bytes - models.bytes + small
    final = Usage(stays + disk.final_bytes, max(0, now.files - resume.files + disk.inodes))
    most = max(now.bytes, stays + disk.peak_bytes, final.bytes)
    return ToCome(final, Usage(most, max(now.files, final.files + disk.passing_inodes)))


def measure(root: Path, mirror: Path, lock: Lock | None) -> Space:
    """One walk of the folder, and of the lock's snapshots where the mirror is elsewhere."""
    sizes: Counter[Kind] = Counter()
    files: Counter[Kind] = Counter()
    seen: set[tuple[int, int]] = set()
    for parts, size in _walk(root, seen):
        kind = kind_of(parts)
        sizes[kind] += size
        files[kind] += 1
    outside = NOTHING
    elsewhere = not mirror.resolve().is_relative_to(root.resolve())
    if elsewhere and lock is not None:
        places = [mirror / repo / revision for repo, revision in _snapshots(lock)]
        there = [size for place in places for _, size in _walk(place, seen)]
        outside = Usage(sum(there), len(there))
    kinds = {kind: Usage(sizes[kind], files[kind]) for kind in files}
    return Space(kinds, outside, str(mirror) if elsewhere else "", _free(root))


def kind_of(parts: Sequence[str]) -> Kind:
    """What a path is, from its parts below the sweep's folder."""
    first, second, third, *_ = (*parts, "", "", "")
    if first == "mirror" and second == ".tokens":
        return "token cache"
    if first != "shards":
        return _AT_TOP.get(first, "table and report")
    if third.startswith((f"{GONE}artifact", ".released-", ".artifact.")):
        return "artifacts"
    if third.startswith(f"{GONE}checkpoints"):
        return "checkpoints"
    name = "predictions.parquet" if parts[-1].startswith("predictions.parquet") else third
    return _IN_A_SHARD.get(name, "results and attempts")


def _walk(root: Path, seen: set[tuple[int, int]]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Everything below `root`, and itself: its parts, and the bytes that it occupies. Not what was
    seen under another name."""
    try:
        yield (), root.lstat().st_blocks * _BLOCK
    except OSError:
        return
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(root), ())]
    while waiting:
        folder, above = waiting.pop()
        for entry in _entries(folder):
            parts = (*above, entry.name)
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:  # it has gone meanwhile
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, parts))
            elif found.st_nlink > 1:
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            yield parts, found.st_blocks * _BLOCK


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # it has gone meanwhile, or is somebody else's
        return []


def _of(space: Space, kind: Kind) -> Usage:
    return space.kinds.get(kind, NOTHING)


def _snapshots(lock: Lock) -> set[tuple[str, str]]:
    tables = {(table.repo, table.revision) for table in lock.tables.values()}
    return tables | {(lock.model.repo, lock.model.revision)}


def _free(root: Path) -> Free | None:
    """Of the file system that the folder is on, or will be."""
    place = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    return Free(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)
