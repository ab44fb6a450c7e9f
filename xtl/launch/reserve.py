"""Room for a last word: on a disk that is full, a rank could not say so."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BYTES = 256 * 2**10  # some records of a few hundred bytes, on file systems with large blocks


class Reserve:
    """A file that takes up room until it is given up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Raises OSError where there is no room for it either."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("wb") as stream:
            stream.write(os.urandom(_BYTES))  # zeros may take up none

    def give_up(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
