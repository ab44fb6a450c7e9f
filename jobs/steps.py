"""Long work of a verb: where it is, and what it has to say."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from jobs.wording import say

_SECONDS = 10.0  # between lines of a log that differ by their numbers alone
_PASSING = re.compile(r"\d of \d|so far$|: (downloading|composing) ")
_NUMBERS = re.compile(r"[\d.,]+")


class Steps:
    """On a terminal, one line says where the work is, and what is worth keeping stays above it.
    Elsewhere all is kept, but of a count on its way one line in ten seconds, and the last."""

    def __init__(self, console: Console, first: str) -> None:
        self._console = console
        self._status = console.status(self._fitted(first))
        self._shape, self._due, self._held = "", 0.0, ""

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()
        self._let_go()

    def say(self, line: str) -> None:
        if self._console.is_terminal:
            self._status.update(self._fitted(line))
            if not _passes(line):
                self._keep(line)
        else:
            self._log(line)

    def _log(self, line: str) -> None:
        shape, now = _NUMBERS.sub("#", line), time.monotonic()
        again = shape == self._shape and _passes(line)
        if again and now < self._due:
            self._held = line
            return
        if again:
            self._held = ""
        self._let_go()
        self._keep(line)
        self._shape, self._due = shape, now + _SECONDS

    def _let_go(self) -> None:
        """Of a count that came to its end, the end."""
        if self._held:
            self._keep(self._held)
        self._held = ""

    def _keep(self, line: str) -> None:
        # Not as rich's markup: a path may have brackets.
        say(self._console, line)

    def _fitted(self, line: str) -> Text:
        text = Text(line)
        text.truncate(max(10, self._console.width - 3), overflow="ellipsis")
        return text


def _passes(line: str) -> bool:
    """Whether it says where the work is, and nothing that anybody would look for afterwards."""
    return ": " not in line or bool(_PASSING.search(line))
