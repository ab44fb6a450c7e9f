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
        holder = self.holder()
        text = json.dumps(self._own | {"time": time.time()})
        if holder is None and not self._path.exists():
            return create_once(self._path, text)
        if holder is not None and holder["pid"] != self._own["pid"]:
            return False
        write_whole(self._path, text)
        return True

    def holder(self) -> dict[str, object] | None:
        """The live launcher that has it."""
        found = read_json(self._path)
        return found if isinstance(found, dict) and self._alive(found) else None

    def release(self) -> None:
        holder = self.holder()
        if holder is not None and holder["pid"] == self._own["pid"]:
            self._path.unlink(missing_ok=True)

    def _alive(self, found: dict[str, object]) -> bool:
        if found.get("host") != self._own["host"]:
            return time.time() - float(str(found.get("time", 0))) < _STALE_S
        try:
            process = psutil.Process(int(str(found.get("pid", -1))))
            return bool(abs(process.create_time() - float(str(found.get("started", 0)))) < 1.0)
        except (psutil.NoSuchProcess, ValueError):
            return False
