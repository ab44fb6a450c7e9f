"""Colours by their part. In a page each is a CSS variable, so that pictures follow its theme.

The colours of low-resource languages are Okabe and Ito's, some darkened for white paper, and can be
told apart with any colour vision; each has a marker of its own. All other languages share a grey.
"""

from __future__ import annotations

from typing import NamedTuple

INK = "#1b1f24"
MUTED = "#8b929c"
RULE = "#dfe3e8"
PAPER = "#fffffe"  # not white, which matplotlib uses on its own account

LOW_COLOURS = ("#0072b2", "#009e73", "#c2649a", "#b07b00", "#3a9bd6", "#7f5539")
LOW_MARKERS = ("s", "^", "D", "o", "v", "P")

LOW_GROUP = "#d55e00"
HIGH_GROUP = "#6b7480"

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted-line",
    RULE: "--rule",
    PAPER: "--paper",
    LOW_GROUP: "--low",
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
LOW_GROUP_LOOK = Look(LOW_GROUP, "o", 2.2, None, 3.0, True)
HIGH_GROUP_LOOK = Look(HIGH_GROUP, "s", 1.8, None, 2.6, True)


def low_look(index: int) -> Look:
    """The look of the index-th low-resource language."""
    colour = LOW_COLOURS[index % len(LOW_COLOURS)]
    marker = LOW_MARKERS[(index + index // len(LOW_COLOURS)) % len(LOW_MARKERS)]
    return Look(colour, marker, 2.0, None, 3.0, True)
