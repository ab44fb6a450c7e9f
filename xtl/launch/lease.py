"""The launcher's lease: it saves two launchers from doing the same work, and promises nothing.

What keeps a shard from running twice is the attempt's claim.
"""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import psutil

from xtl.files import create_once, read_json, write_whole

_STALE_S = 60.0


class Lease:
    """`launcher.json` in the sweep's folder: who submits."""

    def __init__(self, root: Path) -> None:
        self._path = root / "launcher.json"
        self._own = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
        }

    def hold(self) -> bool:
        """Take or renew it; False while another live launcher has it."""
        if not self._path.exists():
            return create_once(self._path, self._text())
        if self._other():
            return False
        write_whole(self._path, self._text())
        return True

    def is_led(self) -> bool:
        """Whether a live launcher has it, another than this process."""
        return self._other()

    def release(self) -> None:
        if not self._other():
            self._path.unlink(missing_ok=True)

    def _text(self) -> str:
        return json.dumps(self._own | {"time": time.time()})

    def _other(self) -> bool:
        """Whether another launcher has it and lives: it renews every second while it does."""
        found = read_json(self._path)
        if not isinstance(found, dict) or time.time() - float(found.get("time", 0)) > _STALE_S:
            return False
        own = all(found.get(key) == value for key, value in self._own.items())
        there = found.get("host") != self._own["host"] or _exists(found.get("pid"))
        return not own and there


def _exists(pid: object) -> bool:
    return isinstance(pid, int) and psutil.pid_exists(pid)
