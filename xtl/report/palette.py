"""Colours by their part. In a page each is a CSS variable, so that pictures follow its theme.

The colours of low-resource languages are Okabe and Ito's (told apart with any colour vision),
and each has a marker of its own; all other languages share a grey.
"""

from __future__ import annotations

from typing import NamedTuple

INK = "#1b1f24"
MUTED = "#8b929c"
RULE = "#dfe3e8"
PAPER = "#fffffe"  # not white, which matplotlib uses on its own account

LOW_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#b07b00", "#56b4e9")
LOW_MARKERS = ("o", "s", "^", "D", "v", "P")

LOW_GROUP = LOW_COLOURS[0]
HIGH_GROUP = "#6b7480"

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted-line",
    RULE: "--rule",
    PAPER: "--paper",
    HIGH_GROUP: "--high",
    **{colour: f"--low-{index}" for index, colour in enumerate(LOW_COLOURS, start=1)},
}


class Look(NamedTuple):
    """How one series is drawn; `order` puts what matters on top."""

    colour: str
    marker: str
    width: float
    dashes: tuple[float, float] | None
    order: float
    bold: bool


HIGH_LOOK = Look(MUTED, ".", 0.9, None, 2.0, False)
ENGLISH_LOOK = Look(INK, ".", 1.2, (3.5, 1.6), 2.5, False)
HIGH_GROUP_LOOK = Look(HIGH_GROUP, "s", 1.8, None, 2.6, True)


def low_look(index: int) -> Look:
    """The look of the index-th low-resource language."""
    colour = LOW_COLOURS[index % len(LOW_COLOURS)]
    marker = LOW_MARKERS[(index + index // len(LOW_COLOURS)) % len(LOW_MARKERS)]
    return Look(colour, marker, 2.0, None, 3.0, True)
