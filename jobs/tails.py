"""`xtl status --logs SHARD`: the ends of all ranks' logs, and the page around the root line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from xtl.launch.logs import Part, end_of, innermost_frame
from xtl.launch.records import Failure
from xtl.launch.store import Store

_PAGE = 10  # lines on either side of the root line


@dataclass(frozen=True)
class Page:
    """Lines around the root line, which is number `root` of the file; `path` is relative to the
    sweep's folder, `first` the number of the first line."""

    path: str
    first: int
    root: int
    lines: tuple[str, ...]


def page(store: Store, failure: Failure | None) -> Page | None:
    """The lines around the one that the evidence stands in; None where it is in no log."""
    path, _, number = failure.file.rpartition(":") if failure else ("", "", "")
    if not number.isdigit() or not (store.root / path).is_file():
        return None
    first, lines = end_of(store.root / path)
    index = int(number) - first
    if not first or not 0 <= index < len(lines):
        return None
    begin = max(0, index - _PAGE)
    return Page(path, first + begin, int(number), tuple(lines[begin : index + _PAGE + 1]))


def frame(store: Store, found: Page | None) -> str:
    """Where the root line was raised: the innermost frame of the traceback that it ends, if any.
    Of frozen code by its place in the sweep's folder."""
    if found is None:
        return ""
    line = innermost_frame(found.lines[: found.root - found.first + 1])
    return line.replace(f'"{store.root.resolve()}/', '"')


def show(console: Console, store: Store, found: Sequence[Part], root: Page | None) -> None:
    """Lines as they are, each log below its name."""
    for part in found:
        where = part.path.relative_to(store.root).as_posix()
        place = f"{where}:{part.first}" if part.first else where
        on = f" on {part.node}" if part.node else ""
        console.print(Text(f"rank {part.rank}{on}, {place}", style="bold"), soft_wrap=True)
        for line in part.lines:
            console.print(Text(f"  {line}"), soft_wrap=True)
    if root:
        console.print(Text(f"where it failed, {root.path}:{root.root}", style="bold"))
        for number, line in enumerate(root.lines, start=root.first):
            mark, style = (">", "red") if number == root.root else (" ", "")
            console.print(Text(f"{mark} {number:5} {line}", style=style), soft_wrap=True)


def as_data(store: Store, found: Sequence[Part], root: Page | None) -> dict[str, Any]:
    """All of it for machines; `first` is null where it is not known."""
    logs = [
        {
            "rank": part.rank,
            "node": part.node or None,
            "path": part.path.relative_to(store.root).as_posix(),
            "first": part.first or None,
            "lines": list(part.lines),
        }
        for part in found
    ]
    return {"logs": logs, "root": root and vars(root) | {"lines": list(root.lines)}}
