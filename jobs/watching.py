"""`xtl status --watch`: one picture after another, until nothing moves any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

_EVERY_S = 3.0


@dataclass(frozen=True)
class Picture:
    """What there is to see; `moves`: another one may differ."""

    shown: RenderableType
    moves: bool


def watch(console: Console, draw: Callable[[], Picture]) -> None:
    """On a terminal its second screen, redrawn in place, and at the end the last picture on the
    first; elsewhere one picture below another. Ctrl-C raises KeyboardInterrupt."""
    if not console.is_terminal:
        _repeat(console, draw)
        return
    last = draw()
    try:
        with Live(_dated(last), console=console, screen=True, auto_refresh=False) as live:
            while last.moves:
                time.sleep(_EVERY_S)
                last = draw()
                live.update(_dated(last), refresh=True)
    finally:
        console.print(last.shown)


def _repeat(console: Console, draw: Callable[[], Picture]) -> None:
    while True:
        picture = draw()
        console.print(_dated(picture))
        if not picture.moves:
            return
        console.print()
        time.sleep(_EVERY_S)


def _dated(picture: Picture) -> RenderableType:
    return Group(Text(time.strftime("%d %b %H:%M:%S"), style="dim"), picture.shown)
