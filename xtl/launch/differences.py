"""What the checkout has now against the code that a sweep froze."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from xtl.launch.checkout import CHECKOUT, commit, contents_of, files_of
from xtl.launch.code import Code, Frozen
from xtl.sweep.shard import RECIPE_VERSION


@dataclass(frozen=True)
class Difference:
    """A file that was added, changed or removed since, with the lines that came and went."""

    path: str
    kind: Literal["added", "changed", "removed"]
    plus: int
    minus: int

    def __str__(self) -> str:
        counts = [f"+{self.plus}"] * bool(self.plus) + [f"−{self.minus}"] * bool(self.minus)
        return " ".join([self.path, *([self.kind] if self.kind != "changed" else []), *counts])


@dataclass(frozen=True)
class Differences:
    """All that would change for jobs if they ran the checkout as it is now."""

    frozen: Code
    commit: str
    recipe_version: int
    files: tuple[Difference, ...]

    def __bool__(self) -> bool:
        return bool(self.files)

    def summary(self) -> list[str]:
        """For people: when and of what it was frozen, then a line for each file."""
        day = datetime.fromtimestamp(self.frozen.created).strftime("%-d %b")
        now = f"; now{_at(self.commit)}" if self.commit != self.frozen.commit else ""
        line = f"frozen{_at(self.frozen.commit)} on {day}{now}, {_count(len(self.files))}"
        lines = [line + ":" * bool(self), *(f"  {file}" for file in self.files)]
        then, today = self.frozen.recipe_version, self.recipe_version
        if then != today:
            lines.append(f"recipe version {then} when frozen, {today} now: results have other ids")
        return lines


def differences(frozen: Frozen, checkout: Path = CHECKOUT) -> Differences:
    """Reads both; writes nothing."""
    then = {name: path.read_bytes() for name, path in files_of(frozen.folder)}
    files = compare(then, contents_of(checkout))
    return Differences(frozen.code, commit(checkout), RECIPE_VERSION, files)


def compare(then: Mapping[str, bytes], now: Mapping[str, bytes]) -> tuple[Difference, ...]:
    """Of two listings, path to content: the files that differ, by path."""
    return tuple(
        _difference(path, then.get(path), now.get(path))
        for path in sorted(then.keys() | now.keys())
        if then.get(path) != now.get(path)
    )


def _difference(path: str, then: bytes | None, now: bytes | None) -> Difference:
    plus, minus = _lines(then or b"", now or b"")
    if then is None:
        return Difference(path, "added", plus, minus)
    return Difference(path, "removed" if now is None else "changed", plus, minus)


def _lines(then: bytes, now: bytes) -> tuple[int, int]:
    before, after = (text.decode(errors="replace").splitlines(True) for text in (then, now))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return len(after) - same, len(before) - same


def _at(commit: str) -> str:
    mark = "+" if commit.endswith("+") else ""
    return f" at commit {commit[:7]}{mark}" if commit else ""


def _count(files: int) -> str:
    return {0: "no file differs", 1: "1 file differs"}.get(files, f"{files} files differ")
