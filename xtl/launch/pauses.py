"""Pauses on disk: `pause.json` while a sweep is paused, `pauses/` for those that are over."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from xtl.files import create_once, names_in
from xtl.launch.records import Pause, read_record

_SHORT_S, _LONG_S = 30.0, 3600.0
_PROBE_BYTES = 8 * 2**20


class Pauses:
    """Of the sweep in `root`. Whoever runs a shard looks first: `current` is one small read."""

    def __init__(self, root: Path) -> None:
        self._path, self._over = root / "pause.json", root / "pauses"

    def current(self) -> Pause | None:
        return read_record(self._path, Pause)

    def begin(self, pause: Pause) -> None:
        """Kept as it is where there is one already. One that a person has lifted meanwhile is
        over."""
        if not self._kept(pause).exists():
            create_once(self._path, pause.model_dump_json(indent=1))

    def lift(self) -> Pause | None:
        """End it; what it named is remembered, and does not bring it back."""
        found = self.current()
        if found is None:
            return None
        self._over.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another launcher was quicker
            self._path.rename(self._kept(found))
        return found

    def _kept(self, pause: Pause) -> Path:
        return self._over / f"{pause.since:.3f}.json"

    def lifted(self) -> list[Pause]:
        """Those that are over, oldest first."""
        found = (read_record(self._over / name, Pause) for name in sorted(names_in(self._over)))
        return [pause for pause in found if pause]

    def rest_s(self, pause: Pause, now: float) -> float:
        """Seconds until a pause for want of room may end: doubled with each of the last hours'."""
        recent = [p for p in self.lifted() if p.cause == "storage" and now - p.since < 6 * _LONG_S]
        rest = min(_LONG_S, _SHORT_S * 2.0 ** len(recent))
        return max(0.0, pause.since + rest - now)


def has_room(folder: Path, needed_bytes: int) -> bool:
    """Whether so much is free there, and can be written: a quota shows only so."""
    probe = folder / f".room-{os.getpid()}"
    try:
        space = os.statvfs(folder)
        no_inode = space.f_files > 0 and space.f_favail == 0
        if no_inode or space.f_bavail * space.f_frsize < needed_bytes:
            return False
        with probe.open("wb") as stream:
            stream.write(os.urandom(_PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return True
