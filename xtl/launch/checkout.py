"""The checkout that xtl runs from: the files of its packages, and what git says of them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import xtl
from xtl.errors import UserError
from xtl.files import read_json

PACKAGES = ("jobs", "slurm", "xtl")
CHECKOUT = Path(xtl.__file__).parents[1]
"""Where `xtl` was imported from: a checkout, an installation, or a frozen copy of one."""

_SKIPPED = ("__pycache__", "tests")
_OTHERS = [f":(exclude,glob)**/{name}{part}" for name in (".*", *_SKIPPED) for part in ("", "/**")]
_MOST_FILES, _MOST_BYTES = 4000, 16 * 2**20  # some 20 times what xtl has


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """The packages' files with their path in `folder`; no hidden ones, caches or linked folders."""
    for package in PACKAGES:
        for place, folders, names in os.walk(folder / package):
            folders[:] = [name for name in folders if name[0] != "." and name not in _SKIPPED]
            for path in (Path(place, name) for name in names if name[0] != "."):
                if path.is_file():
                    yield path.relative_to(folder).as_posix(), path


def contents_of(folder: Path) -> dict[str, bytes]:
    """Each file's bytes by its path, read once. Raises UserError where it is not code alone."""
    found: dict[str, bytes] = {}
    total = 0
    for name, path in sorted(files_of(folder)):
        total += path.stat().st_size
        if total > _MOST_BYTES or len(found) >= _MOST_FILES:
            raise UserError(
                f"{path}: found {len(found) + 1:,} files of {total / 2**20:,.0f} MiB up to here, "
                f"expected code alone (at most {_MOST_FILES:,} files and "
                f"{_MOST_BYTES >> 20} MiB): move what is none out of {folder / name.split('/')[0]}"
            )
        found[name] = path.read_bytes()
    return found


def commit(checkout: Path = CHECKOUT) -> str:
    """The checkout's commit, `+` where it was changed since; empty outside one or without git.
    A frozen copy's is that of the checkout which it was made of."""
    frozen = _frozen(checkout)
    if frozen is not None:
        return str(frozen["commit"])
    if not _is_tracked(checkout):
        return ""
    describe = ("describe", "--always", "--abbrev=40", "--dirty=+", "--match", "")
    return _git(checkout, *describe).decode().strip()


def changes(checkout: Path = CHECKOUT) -> bytes:
    """The packages' `git diff HEAD`, files that git does not know yet included, without what
    `files_of` leaves out: hidden files are a person's own, and may hold secrets."""
    if _frozen(checkout) is not None:
        return (checkout / "changes.diff").read_bytes()
    if not _is_tracked(checkout):
        return b""
    paths = [name for name in PACKAGES if (checkout / name).is_dir()] + _OTHERS
    plain = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv")
    # An index of our own: the user's is left alone, and new files can be entered in it.
    with tempfile.TemporaryDirectory() as own:
        index = str(Path(own, "index"))
        _git(checkout, "read-tree", "HEAD", index=index)
        _git(checkout, "add", "--intent-to-add", "--", *paths, index=index)
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        return _git(checkout, "diff", *plain, *prefixes, "HEAD", "--", *paths, index=index)


def _frozen(folder: Path) -> dict[str, str] | None:
    """The record of a frozen copy, which is named by its digest; None for a checkout."""
    record = read_json(folder / "code.json")
    return record if isinstance(record, dict) and record.get("digest") == folder.name else None


def _is_tracked(checkout: Path) -> bool:
    """Not so for an installation that merely lies inside somebody's repository."""
    return bool(_git(checkout, "ls-files", "--", "xtl/__init__.py"))


def _git(checkout: Path, *words: str, index: str | None = None) -> bytes:
    """What git says, nothing where it fails or is not there."""
    variables = {"GIT_OPTIONAL_LOCKS": "0"} | ({"GIT_INDEX_FILE": index} if index else {})
    try:
        found = subprocess.run(
            ["git", *words],
            cwd=checkout,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return b""
    return found.stdout if found.returncode == 0 else b""
