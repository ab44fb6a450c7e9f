"""Frozen code: a sweep's jobs run a copy that was made when the first of them was submitted."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from xtl import __version__
from xtl.errors import UserError
from xtl.files import create_once, read_json, sync_folder, write_whole
from xtl.launch.checkout import CHECKOUT, changes, commit, contents_of, files_of
from xtl.launch.records import Record, read_record
from xtl.launch.store import Store
from xtl.sweep.shard import RECIPE_VERSION
from xtl.tasks import extensions

VERSIONED = ("torch", "transformers", "datasets", "deepspeed", "wandb", "submitit")
_RENEW = "`xtl resubmit --with current` freezes the code as it is now"


class CodeFile(Record):
    bytes: int
    sha256: str


class Code(Record):
    """`code.json`: what was frozen, out of what, and beside which packages."""

    digest: str
    commit: str  # of the checkout, `+` where it was changed since
    dirty: bool  # whether `changes.diff` has any
    python: str
    versions: dict[str, str]
    recipe_version: int
    created: float  # seconds since the epoch
    files: dict[str, CodeFile]  # by path in the copy


@dataclass(frozen=True)
class Frozen:
    """A whole copy: `folder` goes on a job's PYTHONPATH."""

    folder: Path
    code: Code


def freeze(store: Store, checkout: Path = CHECKOUT) -> Frozen:
    """Copy the code as it is now, unless the sweep has an equal copy, and make it the current one.
    Raises UserError where the packages hold more than code."""
    frozen = _publish(store, checkout)
    write_whole(_pointer(store), _name(frozen))
    return frozen


def current(store: Store) -> Frozen | None:
    """What the sweep's jobs run; None before its first submission. Raises UserError if damaged."""
    pointer = _pointer(store)
    if not pointer.exists():
        return None
    named = read_json(pointer)
    if not isinstance(named, dict) or not isinstance(named.get("digest"), str):
        raise UserError(f"{pointer}: found no digest, expected the frozen code's: {_RENEW}")
    return _open(pointer.parent / named["digest"])


def ensure(store: Store, renew: bool = False, checkout: Path = CHECKOUT) -> Frozen:
    """The code of a submission: the sweep's, made if it has none yet, or made anew.

    Raises UserError where the code that plans has another recipe version than the code that would
    run: results would stand under the ids of another recipe.
    """
    if renew:
        return freeze(store, checkout)
    found = current(store)
    if found is None:  # of two launchers that come here at once, the first one's is taken
        create_once(_pointer(store), _name(_publish(store, checkout)))
        found = current(store)
        assert found
    if found.code.recipe_version != RECIPE_VERSION:
        raise UserError(
            f"{found.folder}: found recipe version {found.code.recipe_version} in the sweep's "
            f"frozen code, expected {RECIPE_VERSION} as in the running one: {_RENEW}"
        )
    return found


def foresee(store: Store, checkout: Path = CHECKOUT) -> Path:
    """The folder of the code that a submission would run now; makes nothing."""
    found = current(store)
    if found:
        return found.folder
    files = {name: _facts(content) for name, content in contents_of(checkout).items()}
    return _pointer(store).parent / _digest(files)


def versions() -> dict[str, str]:
    """Of xtl, of the packages that results depend on most, and of what extends it."""
    named = {name: metadata.version(name) for name in VERSIONED}
    return {"xtl": __version__} | named | extensions.versions()


def environment_for(folder: Path, inherited: str = "") -> dict[str, str]:
    """What makes any Python below a process import from `folder`; `inherited`: its PYTHONPATH."""
    place = str(folder.absolute())  # unresolved: an automounter's name may be the only one there
    if os.pathsep in place:
        raise UserError(f"--root: found {place}, expected a path without {os.pathsep!r}")
    path = os.pathsep.join([place, inherited] if inherited else [place])
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def command_for(frozen_folder: Path, module: str, *args: str) -> str:
    """A shell's words that run a module of the frozen code, wherever the shell is and whatever its
    PYTHONPATH, which is kept behind ours: set-up lines may have put packages there."""
    own = environment_for(frozen_folder)["PYTHONPATH"]
    kept = f'PYTHONPATH={shlex.quote(own)}"${{PYTHONPATH:+:$PYTHONPATH}}"'
    words = [sys.executable, "-u", "-P", "-m", module, *args]
    return f"env {kept} {shlex.join(words)}"


def _pointer(store: Store) -> Path:
    return store.root / "code" / "current.json"


def _name(frozen: Frozen) -> str:
    return json.dumps({"digest": frozen.code.digest})


def _open(folder: Path) -> Frozen:
    """Raises UserError unless its record and the names and sizes of its files agree."""
    code = read_record(folder / "code.json", Code)
    if code is None or not folder.name == code.digest == _digest(code.files):
        raise UserError(f"{folder}: found no frozen code that can be read: {_RENEW}")
    there = {name: path.stat().st_size for name, path in files_of(folder)}
    known = {name: file.bytes for name, file in code.files.items()}
    wrong = sorted(dict(there.items() ^ known.items()))
    if wrong:
        found, expected = (_size(sizes, wrong[0]) for sizes in (there, known))
        raise UserError(f"{folder / wrong[0]}: found {found}, expected {expected}: {_RENEW}")
    return Frozen(folder, code)


def _is_whole(folder: Path) -> bool:
    try:
        return bool(_open(folder))
    except UserError:
        return False


def _size(sizes: Mapping[str, int], name: str) -> str:
    return f"{sizes[name]:,} bytes" if name in sizes else "no file"


def _digest(files: Mapping[str, CodeFile]) -> str:
    text = json.dumps(sorted((name, file.sha256) for name, file in files.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _publish(store: Store, checkout: Path) -> Frozen:
    """The copy of today's code in the sweep's folder, made where there is no whole one."""
    contents = contents_of(checkout)
    files = {name: _facts(content) for name, content in contents.items()}
    folder = _pointer(store).parent / _digest(files)
    if not _is_whole(folder):
        difference = changes(checkout)
        code = _describe(folder.name, files, commit(checkout), bool(difference))
        kept = [path for path in (store.manifest_path, store.lock_path) if path.exists()]
        contents |= {path.name: path.read_bytes() for path in kept}
        contents |= {"code.json": code.model_dump_json(indent=1).encode()}
        _place(folder, contents | {"changes.diff": difference})
    return _open(folder)


def _facts(content: bytes) -> CodeFile:
    return CodeFile(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _describe(digest: str, files: dict[str, CodeFile], commit: str, dirty: bool) -> Code:
    return Code(
        digest=digest,
        commit=commit,
        dirty=dirty,
        python=sys.executable,
        versions=versions(),
        recipe_version=RECIPE_VERSION,
        created=time.time(),
        files=files,
    )


def _place(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Whole or not at all, in the place of a damaged copy if there is one. Not synced file by
    file: what a power cut would spoil has another size, and is seen to be damaged."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(scratch / "new", contents)
        if folder.exists() and not _is_whole(folder):
            folder.rename(scratch / "old")
        (scratch / "new").rename(folder)
    except OSError:
        if not _is_whole(folder):  # else another launcher was quicker
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sync_folder(folder.parent)


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Read-only files; the folders stay writable for Python's caches of compiled code. Who else may
    read them is the umask's to say; what may hold a profile's `environment` is the user's alone."""
    for place in {(folder / name).parent for name in contents}:
        place.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / name
        own = name == "changes.diff" or name.startswith("slurm/profiles/")
        path.touch(0o600 if own else 0o666)
        path.write_bytes(content)
        path.chmod(path.stat().st_mode & 0o444)
