"""A folder that many processes ask for at once, made by exactly one of them. No flock.

Who builds has a claim, a numbered file that was created exclusively, and touches it as long as it
lives. The highest number counts, so a claim is taken over by creating the next one, and nobody
ever removes another's. What was built is published by one rename; whoever comes second with it
throws its own away. So a claim only saves work: two builders would do no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.files import create_once, names_in, read_json, sync_folder

if TYPE_CHECKING:
    from xtl.data.hub import Report


BEAT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""A claim that was not touched for so long is taken over."""

ABANDONED_SECONDS = 24 * 3600.0
"""What a builder of something else left behind is removed after this time."""

_POLL_SECONDS = 0.5
_SAY_AGAIN_SECONDS = 30.0
_CLAIM, _STAGED, _PROBE = "claim-", "staged-", "probe-"


@dataclass(frozen=True)
class Owner:
    """A process; `namespace` tells containers apart that share a host's name."""

    host: str
    namespace: str
    process: int

    @classmethod
    def me(cls) -> Owner:
        try:
            namespace = str(Path("/proc/self/ns/pid").readlink())
        except OSError:
            namespace = ""
        return cls(socket.gethostname(), namespace, os.getpid())

    def is_gone(self) -> bool:
        """Whether it certainly is: only a process of this host can be asked after."""
        import psutil

        me = Owner.me()
        if (self.host, self.namespace) != (me.host, me.namespace):
            return False
        try:
            return bool(psutil.Process(self.process).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def build_once(place: Path, desk: Path, build: Callable[[Path], None], report: Report) -> None:
    """See to it that the folder `place` is there: fill an empty one with `build`, or wait.

    `desk` is a folder for this build alone, on the file system of `place`, which goes when that
    is there. An error of `build` is raised; others who wait then try for themselves.
    """
    said = -_SAY_AGAIN_SECONDS
    with _probe(desk) as probe:
        while not _is_there(place):
            claim = _take(desk, probe)
            if claim is not None:
                _build(place, claim, build, report)
                continue
            if time.monotonic() - said >= _SAY_AGAIN_SECONDS:
                said = time.monotonic()
                report(f"waiting for {_builder(desk)}, which builds it")
            time.sleep(_POLL_SECONDS)


def _build(place: Path, claim: Path, build: Callable[[Path], None], report: Report) -> None:
    desk = claim.parent
    staged = desk / f"{_STAGED}{socket.gethostname()}-{os.getpid()}"
    with _beating(claim):
        try:
            if not _is_there(place):  # it may have come between the look and the claim
                _remove_leftovers(desk)
                staged.mkdir(parents=True)
                build(staged)
                _publish(staged, place)
        except OSError:
            if not (_is_there(place) or _latest(desk) != claim):
                raise
            report("another process took over: it was taken for dead")
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            claim.unlink(missing_ok=True)
    if _is_there(place):
        shutil.rmtree(desk, ignore_errors=True)


def _publish(staged: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(place)
    except OSError:
        if not place.is_dir():
            raise
    sync_folder(place.parent)


def _is_there(place: Path) -> bool:
    # A listing asks the server; a look-up may be answered from a client's memory of absences.
    return place.name in names_in(place.parent)


# -- claims ----------------------------------------------------------------------------------
def _take(desk: Path, probe: Path) -> Path | None:
    """A new claim; None where somebody has a live one, or was quicker."""
    with contextlib.suppress(FileNotFoundError):  # the desk was cleared meanwhile
        latest = _latest(desk)
        if latest is not None and _is_alive(latest, probe):
            return None
        number = 0 if latest is None else int(latest.name.removeprefix(_CLAIM))
        claim = desk / f"{_CLAIM}{number + 1:06}"
        if create_once(claim, json.dumps(asdict(Owner.me()))):
            return claim
    return None


def _latest(desk: Path) -> Path | None:
    claims = [name for name in _names(desk) if name.startswith(_CLAIM)]
    return desk / max(claims) if claims else None


def _owner(claim: Path) -> Owner | None:
    body = read_json(claim)
    try:
        return Owner(**body) if isinstance(body, dict) else None
    except TypeError:
        return None


def _builder(desk: Path) -> str:
    latest = _latest(desk)
    owner = None if latest is None else _owner(latest)
    return "another process" if owner is None else str(owner)


def _is_alive(claim: Path, probe: Path) -> bool:
    owner = _owner(claim)
    if owner is not None and owner.is_gone():
        return False
    return _now(probe) - _touched(claim) < STALE_SECONDS


def _now(probe: Path) -> float:
    """The file system's own time, whatever this machine's clock says."""
    probe.parent.mkdir(parents=True, exist_ok=True)
    probe.touch()
    return _touched(probe)


def _touched(path: Path) -> float:
    with path.open("rb") as stream:  # opening it makes a network's client ask for the true time
        return os.fstat(stream.fileno()).st_mtime


@contextlib.contextmanager
def _probe(desk: Path) -> Iterator[Path]:
    probe = desk / f"{_PROBE}{socket.gethostname()}-{os.getpid()}"
    try:
        yield probe
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
            desk.rmdir()  # where it is empty


@contextlib.contextmanager
def _beating(claim: Path) -> Iterator[None]:
    """Touch the claim every few seconds, from a thread."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(claim)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# -- what dead builders left -----------------------------------------------------------------
def _remove_leftovers(desk: Path) -> None:
    """Unfinished folders of earlier builders of this, and the desks of others long dead."""
    for name in _names(desk):
        if name.startswith(_STAGED):
            shutil.rmtree(desk / name, ignore_errors=True)
    latest = _latest(desk)
    now = time.time() if latest is None else _touched(latest)
    for other in desk.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != desk and now - _last_change(other) > ABANDONED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def _last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return names_in(folder)
    return []
