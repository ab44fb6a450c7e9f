"""The mirror: read-only snapshots at `<root>/<repo id>/<revision>/`, named by their content.

A snapshot is staged beside the others, on the same file system, and published by one rename:
readers see all of it or nothing, and of two that publish the same content the later one drops
its copy. Nothing here takes a lock. `.index/` remembers which recipe gave which snapshot, so
that what is there is not made again; it may be lost without harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from xtl.errors import UserError

REVISION_DIGITS = 16
READ_ONLY = 0o444
_STALE_AFTER_SECONDS = 2 * 24 * 3600


@dataclass(frozen=True)
class Snapshot:
    """A repo at one revision; the fingerprint is its whole content hash, 64 hex digits."""

    repo: str
    revision: str
    fingerprint: str
    folder: Path


def content_hash(folder: Path, counts: Callable[[Path], bool] | None = None) -> str:
    """sha256 over the sorted (relative path, size, sha256) of every file below `folder`.

    With `counts`, of the files alone for which it is true.
    """
    total = hashlib.sha256()
    files = filter(counts, _files(folder)) if counts else _files(folder)
    for name in sorted(path.relative_to(folder).as_posix() for path in files):
        path = folder / name
        total.update(f"{name}\0{path.stat().st_size}\0{file_hash(path)}\n".encode())
    return total.hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def revision_of(fingerprint: str) -> str:
    """`content-` and 16 digits: the prefix tells it from a hub's commit, which no one can ask for
    by this name."""
    return f"content-{fingerprint[:REVISION_DIGITS]}"


class Mirror:
    """The snapshots below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, repo: str, revision: str) -> bool:
        return (self.root / repo / revision).is_dir()

    def find(self, repo: str, revision: str) -> Path:
        """The snapshot's folder; UserError where the mirror lacks it."""
        folder = self.root / repo / revision
        if not self.has(repo, revision):
            raise UserError(
                f"mirror {self.root}: found no {repo} at {revision}, expected it there: "
                "run `xtl prepare`"
            )
        return folder

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder to fill and publish; what is left of it goes when the block ends.

        Folders that died with their process are removed first.
        """
        place = self.root / ".staging"
        place.mkdir(parents=True, exist_ok=True)
        _remove_stale(place)
        folder = Path(tempfile.mkdtemp(dir=place, prefix=f"{socket.gethostname()}.{os.getpid()}."))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, repo: str, staged: Path) -> Snapshot:
        """Move the folder `staged` into its place; it must lie on the mirror's file system."""
        fingerprint = content_hash(staged)
        folder = self.root / repo / revision_of(fingerprint)
        snapshot = Snapshot(repo, folder.name, fingerprint, folder)
        _seal(staged)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            verify(snapshot)
            shutil.rmtree(staged, ignore_errors=True)
        _sync(folder.parent)
        return snapshot

    def recall(self, repo: str, recipe: Mapping[str, object]) -> Snapshot | None:
        """The snapshot that this recipe gave, where it is still in the mirror."""
        try:
            entry = json.loads(self._index(repo, recipe).read_text(encoding="utf-8"))
            revision, fingerprint = entry["revision"], entry["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        folder = self.root / repo / str(revision)
        return Snapshot(repo, revision, fingerprint, folder) if folder.is_dir() else None

    def remember(self, recipe: Mapping[str, object], snapshot: Snapshot) -> None:
        """Note that `recipe` gave `snapshot`: one small file a recipe, so writers never meet."""
        path = self._index(snapshot.repo, recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = asdict(snapshot) | {"recipe": dict(recipe)}
        del entry["folder"]
        descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=".index-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(entry, stream, indent=1, sort_keys=True)
        Path(staged).chmod(0o644)
        Path(staged).replace(path)

    def _index(self, repo: str, recipe: Mapping[str, object]) -> Path:
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        return self.root / ".index" / repo / f"{key[:REVISION_DIGITS]}.json"


def verify(snapshot: Snapshot) -> None:
    """UserError where the folder's content is no longer what its fingerprint says."""
    found = content_hash(snapshot.folder)
    if found != snapshot.fingerprint:
        raise UserError(
            f"{snapshot.folder}: found content {found[:REVISION_DIGITS]}…, expected "
            f"{snapshot.fingerprint[:REVISION_DIGITS]}…: it was changed after it was published; "
            "remove it and run `xtl prepare`"
        )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir())


def _seal(staged: Path) -> None:
    """Make files read-only and everything durable, the folders after what they hold."""
    for path in _files(staged):
        path.chmod(READ_ONLY)
        _sync(path)
    staged.chmod(0o755)
    for folder in [*(path for path in staged.rglob("*") if path.is_dir()), staged]:
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(place: Path) -> None:
    for folder in place.iterdir():
        if _is_stale(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_stale(folder: Path) -> bool:
    """Its process is gone, as far as this host can tell, or it is two days old."""
    host, _, process = folder.name.rpartition(".")[0].rpartition(".")
    if host == socket.gethostname() and process.isdigit():
        return not _alive(int(process))
    try:
        return time.time() - folder.stat().st_mtime > _STALE_AFTER_SECONDS
    except FileNotFoundError:
        return False


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
