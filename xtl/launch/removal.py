"""Removing from a sweep's folder: crash-safe, and results are set aside instead."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.files import sync_folder

if TYPE_CHECKING:
    from xtl.launch.store import Store

GONE = ".gone-"
"""How the name begins of what is being deleted: a crash leaves it, and `xtl clean` finds it."""


def remove(path: Path) -> None:
    """Delete a file or a folder; a folder is renamed first, so that nobody finds a part of it. Who
    comes second, behind another process, has nothing to do."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    doomed = path if path.name.startswith(GONE) else _renamed(path)
    if doomed is not None:
        shutil.rmtree(doomed, ignore_errors=True)


def _renamed(path: Path) -> Path | None:
    """Where a folder is now, to be deleted; None where another process was quicker."""
    for name in _names(f"{GONE}{path.name.lstrip('.')}-{os.getpid()}"):
        try:
            return path.rename(path.with_name(name))
        except FileNotFoundError:
            return None
        except OSError as error:  # the same process id on another machine, or long ago
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    raise AssertionError("names never end")


def set_aside(store: Store, shard: str) -> Path | None:
    """Make a shard that is done one that is not: its result and predictions go into the folder of
    the attempt that made them, its resume state goes. Where they are now; None: it had no result.

    They are there under both names before the first is taken away, so a crash loses neither.
    """
    result = store.result(shard)
    number = result.attempt if result else store.latest_attempt(shard)
    folder = store.shard(shard) / "attempts" / f"{number:04}"
    kept = [store.result_path(shard), store.predictions_path(shard)]
    there = [path for path in kept if path.exists()]
    if there:
        folder.mkdir(parents=True, exist_ok=True)
    for path in there:
        _link(path, folder)
    if there:
        sync_folder(folder)
    for path in there:  # the result first: without it, nothing counts as done
        path.unlink()
    if store.checkpoints(shard).exists():
        remove(store.checkpoints(shard))
    return folder if there else None


def _link(path: Path, folder: Path) -> None:
    """Unless a crash came between the two halves of an earlier try, in which case it is there."""
    target = folder / path.name
    if not (target.exists() and target.samefile(path)):
        os.link(path, _free(folder, path.name))


def _free(folder: Path, name: str) -> Path:
    return next(folder / each for each in _names(name) if not (folder / each).exists())


def _names(name: str) -> Iterator[str]:
    return (name if number == 1 else f"{name}.{number}" for number in count(1))
