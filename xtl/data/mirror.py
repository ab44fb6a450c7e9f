"""The mirror: read-only snapshots at `<root>/<repo id>/<revision>/`.

A revision is a hub's commit, or made of the content. A snapshot is staged beside the others, on
the same file system, and published by one rename: readers see all of it or nothing, and of two
that publish the same content the later one drops its copy. Nothing here takes a lock: what a dead
process left staged is taken over by renaming it. `.index/` remembers which recipe gave which
snapshot, so that what is there is not made again; it may be lost without harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from xtl.errors import UserError
from xtl.files import allowed

REVISION_DIGITS = 16
READ_ONLY = 0o444
_SILENT_SECONDS = 2 * 3600  # without a change: then a process of another host counts as dead
_LEFT_SECONDS = 2 * 24 * 3600  # for so long, what a dead process left can be gone on with
_in_use: set[str] = set()  # the staging folders that this process works in


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
    def staging(self, recipe: Mapping[str, object], *, resumes: bool = False) -> Iterator[Path]:
        """A folder to fill as `recipe` says and to publish; it goes when the block ends well.

        With `resumes` it may hold what a dead process left of the same recipe, and it stays where
        the block fails; else it is empty, and goes. Leftovers of other recipes stay two days.
        """
        place, key = self.root / ".staging", _key(recipe)
        place.mkdir(parents=True, exist_ok=True)
        own = _own_folder(place, key)
        _in_use.add(own.name)
        over = not resumes
        try:
            dead = _dead(place)
            left = [old for old in dead if resumes and old.name.startswith(f"{key}.")]
            if not any(_take_over(old, own) for old in left):
                own.mkdir()
            _clear(dead, key)
            yield own
            over = True
        finally:
            if over:
                shutil.rmtree(own, ignore_errors=True)
            with contextlib.suppress(OSError):
                own.rmdir()  # where nothing came
            _in_use.discard(own.name)

    def publish(self, repo: str, staged: Path, revision: str | None = None) -> Snapshot:
        """Move the folder `staged`, on the mirror's file system, to its place at `revision`.

        Without one the content names it. UserError where other content is in that place.
        """
        fingerprint = content_hash(staged)
        folder = self.root / repo / (revision or revision_of(fingerprint))
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
        Path(staged).chmod(allowed(0o666))
        Path(staged).replace(path)

    def _index(self, repo: str, recipe: Mapping[str, object]) -> Path:
        return self.root / ".index" / repo / f"{_key(recipe)}.json"


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
        path.chmod(allowed(READ_ONLY))
        _sync(path)
    staged.chmod(allowed(0o777))
    for folder in [*(path for path in staged.rglob("*") if path.is_dir()), staged]:
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _key(recipe: Mapping[str, object]) -> str:
    text = json.dumps(recipe, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_DIGITS]


def _own_folder(place: Path, key: str) -> Path:
    return place / f"{key}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"


def _dead(place: Path) -> list[Path]:
    """Staging folders whose process is gone, as far as this host can tell; the latest first."""
    return sorted(filter(_is_dead, place.iterdir()), key=_touched, reverse=True)


def _is_dead(folder: Path) -> bool:
    host, _, process = folder.name.partition(".")[2].rpartition(".")[0].rpartition(".")
    silent = time.time() - _touched(folder)
    if host != socket.gethostname() or not process.isdigit():
        return silent > _SILENT_SECONDS
    if int(process) == os.getpid():
        return folder.name not in _in_use
    return not _alive(int(process)) or silent > _LEFT_SECONDS  # the number may be another's by now


def _touched(folder: Path) -> float:
    """When something in the folder last changed; now, where it is being moved away."""
    try:
        return max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
    except FileNotFoundError:
        return time.time()


def _take_over(old: Path, own: Path) -> bool:
    """Of several that try, one gets it."""
    with contextlib.suppress(FileNotFoundError):
        old.rename(own)
        return True
    return False


def _clear(dead: list[Path], key: str) -> None:
    """Remove what nobody will go on with; taken over first, so that nobody can meanwhile."""
    for old in dead:
        own = _own_folder(old.parent, "removed")
        useless = old.name.startswith(f"{key}.") or time.time() - _touched(old) > _LEFT_SECONDS
        if useless and _take_over(old, own):
            shutil.rmtree(own, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
