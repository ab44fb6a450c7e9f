"""The canvas of a picture: axes of a known size, an axis of sizes with 0 apart, labels at the side.

Lengths are in points (1/72 inch), so that what is placed here stays where it was put.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from xtl.report.labels import spread
from xtl.report.numbers import short_count
from xtl.report.palette import INK, RULE

WIDTH = 372.0
HEIGHT = 268.0
FONT = 9.0
LINE = FONT * 1.25  # the least distance between two labels
LEFT, TOP, BOTTOM = 30.0, 20.0, 34.0
_LEADER = 15.0
_STROKE = 4.0
_CHARACTER = 0.62 * FONT  # at most, of DejaVu Sans, for the names of languages

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.family": "DejaVu Sans",
    "font.size": FONT, "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.edgecolor": INK, "figure.facecolor": "none",
    "axes.facecolor": "none", "axes.unicode_minus": True, "path.simplify": False,
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's own defaults with ours on top, whatever a user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def label_room(labels: Sequence[str], bold: bool = True) -> float:
    """Points that a column of labels needs, with what leads to them."""
    longest = max((len(label) for label in labels), default=0)
    return _LEADER + 4 + longest * _CHARACTER * (1.08 if bold else 1.0)


def canvas(left: float, right: float, body: float) -> tuple[Figure, Axes]:
    """A figure of `WIDTH` whose axes are `body` high, with so much room on either side."""
    height = TOP + body + BOTTOM
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    width = WIDTH - left - right
    axes = figure.add_axes(
        (left / WIDTH, BOTTOM / height, width / WIDTH, body / height),
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, pad=4)
    axes.set_axisbelow(True)
    return figure, axes


def body_height(labels: int) -> float:
    """Points of height for so many labels, and never less than a good shape needs."""
    return max(HEIGHT - TOP - BOTTOM, labels * LINE)


def title_values(axes: Axes, text: str) -> None:
    """What is measured, above the axis, where it reads along with the numbers."""
    axes.annotate(
        text, (0, 1), (-LEFT + 4, 9), xycoords="axes fraction", textcoords="offset points",
        va="baseline", ha="left",
    )  # fmt: skip


@dataclass(frozen=True)
class SizeAxis:
    """Where each size stands: log10 of its count, and size 0 apart on the left."""

    sizes: tuple[tuple[str, int], ...]

    @property
    def _logs(self) -> list[float]:
        return [math.log10(examples) for _, examples in self.sizes if examples]

    @property
    def gap(self) -> float:
        """From size 0 to the smallest size above it, in decades."""
        return max(0.2 * (max(self._logs) - min(self._logs)), 0.3) if self._logs else 1.0

    def position(self, examples: int) -> float:
        if examples:
            return math.log10(examples)
        return min(self._logs) - self.gap if self._logs else 0.0

    def draw(self, axes: Axes, caption: str) -> None:
        positions = [self.position(examples) for _, examples in self.sizes]
        margin = max(0.04 * (max(positions) - min(positions)), 0.05)
        axes.set_xlim(min(positions) - 1.6 * margin, max(positions) + margin)
        axes.set_xlabel(caption, labelpad=5)
        axes.set_xticks(positions, self._tick_labels(axes, positions))
        if self.broken:
            self._break(axes)

    @property
    def broken(self) -> bool:
        return bool(self._logs) and any(examples == 0 for _, examples in self.sizes)

    def _tick_labels(self, axes: Axes, positions: Sequence[float]) -> list[str]:
        """Counts, from the largest down, leaving out those that would touch."""
        first, last = axes.get_xlim()
        points = axes.get_position().width * WIDTH / (last - first)
        labels: list[str] = []
        free = math.inf
        for (_, examples), position in reversed(list(zip(self.sizes, positions, strict=True))):
            text = short_count(examples)
            half = len(text) * _CHARACTER / 2
            shown = position * points + half <= free
            labels.append(text if shown else "")
            free = position * points - half - 3 if shown else free
        return labels[::-1]

    def _break(self, axes: Axes) -> None:
        """A gap with two strokes in the axis between 0 and the smallest size above it."""
        axes.spines["bottom"].set_visible(False)
        middle = self.position(0) + self.gap / 2
        first, last = axes.get_xlim()
        half = 0.011 * (last - first)
        across = axes.get_xaxis_transform()
        rise = _STROKE / (axes.get_position().height * axes.figure.bbox.height)
        for start, end in ((first, middle - half), (middle + half, last)):
            axes.add_line(_stroke((start, end), (0, 0), across))
        for center in (middle - half, middle + half):
            ends = (center - half / 2, center + half / 2)
            axes.add_line(_stroke(ends, (-rise, rise), across))
        axes.set_xlim(first, last)


def _stroke(x: tuple[float, float], y: tuple[float, float], transform: Transform) -> Line2D:
    return Line2D(x, y, transform=transform, color=INK, linewidth=0.8, clip_on=False)


def fix_ticks(axis: Axis) -> None:
    """The ticks and the limits as they are now, without the ticks beyond them."""
    first, last = axis.get_view_interval()
    low, high = sorted((first, last))
    axis.set_ticks([tick for tick in axis.get_ticklocs() if low <= tick <= high])
    axis.set_view_interval(first, last, ignore=True)


def draw_rules(axes: Axes, vertical: bool = False) -> None:
    """Light lines at the values' ticks, and a firmer one at 0 where 0 is within."""
    axes.grid(visible=True, axis="x" if vertical else "y", color=RULE, linewidth=0.7)


@dataclass(frozen=True)
class SideLabel:
    """A name for a line that ends at (x, y), in data units."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool = False


def side_labels(axes: Axes, labels: Sequence[SideLabel], body: float) -> None:
    """Names to the right of the axes, each led to from the end of its line, none touching."""
    low, high = axes.get_ylim()
    scale = body / (high - low)
    wanted = [(label.y - low) * scale for label in labels]
    placed = spread(wanted, LINE, LINE / 2 - 2, body - LINE / 2 + 2)
    edge = axes.get_xlim()[1]
    for label, height in zip(labels, placed, strict=True):
        y = low + height / scale
        elbow = edge + (axes.get_xlim()[1] - axes.get_xlim()[0]) * 0.035
        axes.plot(
            [label.x, edge, elbow], [label.y, label.y, y], color=label.colour, linewidth=0.5,
            alpha=0.6, clip_on=False, zorder=1, solid_capstyle="round",
        )  # fmt: skip
        axes.annotate(
            label.text, (elbow, y), (3, 0), textcoords="offset points", va="center_baseline",
            ha="left", color=label.colour, weight="bold" if label.bold else "normal",
            annotation_clip=False,
        )  # fmt: skip
