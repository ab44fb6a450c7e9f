"""A verb at a terminal, as a person has it: what it says, and what is typed."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from types import TracebackType
from typing import Self

from tests.bench import Bench

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_S = 120.0


class Terminal:
    """Of 80 columns. `said`: all that was written on it, without control codes."""

    def __init__(self, bench: Bench, verb: str, *options: str) -> None:
        self._bench, self._command = bench, bench.command(verb, *options)
        self._raw = b""

    def __enter__(self) -> Self:
        self._end, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        path = os.pathsep.join(map(str, self._bench.path))
        self._process = subprocess.Popen(
            self._command,
            cwd=self._bench.checkout,
            env=self._bench.env | {"PYTHONPATH": path, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._end)

    @property
    def said(self) -> str:
        return _CODES.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def until(self, text: str) -> None:
        """Wait for these words; a test that waits in vain fails."""
        limit = time.monotonic() + _PATIENCE_S
        while text not in self.said:
            assert time.monotonic() < limit, self.said
            assert self._read(), self.said

    def answer(self, line: str) -> int:
        """Type a line; the exit status."""
        os.write(self._end, f"{line}\n".encode())
        while self._read():
            pass
        return self._process.wait(_PATIENCE_S)

    def _read(self) -> bool:
        """False at the end of it."""
        if not select.select([self._end], [], [], _PATIENCE_S)[0]:
            return False
        try:
            found = os.read(self._end, 65536)
        except OSError:  # nobody writes any more
            return False
        self._raw += found
        return bool(found)
