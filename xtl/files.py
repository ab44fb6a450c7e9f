"""Files that are whole or absent: temporary name, fsync, rename. No flock, no database."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace `path` by `text` so that no reader, and no crash, ever sees a part of it. Of `mode`
    it gets what the umask leaves."""
    staged = _stage(path, text, mode)
    staged.replace(path)
    sync_folder(path.parent)


def create_once(path: Path, text: str) -> bool:
    """Create `path` with `text`; False if it was there already. Atomic on NFS too (a hard link)."""
    staged = _stage(path, text)
    try:
        os.link(staged, path)
    except FileExistsError:
        return False
    finally:
        staged.unlink()
    sync_folder(path.parent)
    return True


def read_json(path: Path) -> Any | None:
    """The JSON in `path`; None where there is no file or not a whole JSON text in it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return None


def names_in(folder: Path) -> list[str]:
    """The names of what is in a folder; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stage(path: Path, text: str, mode: int = 0o666) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    staged = Path(name)
    staged.chmod(allowed(mode))
    return staged


def allowed(mode: int) -> int:
    """What the umask leaves of a file's rights."""
    try:  # Linux tells it; to ask the system call sets it, for other threads too
        found = re.search(r"^Umask:\s*(\d+)", _STATUS.read_text(), re.MULTILINE)
        umask = int(found[1], 8) if found else 0o077
    except OSError:
        umask = os.umask(0o077)
        os.umask(umask)
    return mode & ~umask


def write_by(path: Path, fill: Callable[[Path], None]) -> None:
    """Like `write_whole`, for what a library writes to a path by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill(staged)
        with staged.open("rb") as stream:
            os.fsync(stream.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent)
