"""The pictures of a curve, as matplotlib figures. Names are English: no font has to know a script.

Lines are means over replicates. A hollow marker is a mean over fewer replicates than planned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xtl.analysis.summary import ENGLISH, HIGH, LOW, WITHOUT_ENGLISH
from xtl.report.axes import (
    LEFT,
    LINE,
    SideLabel,
    SizeAxis,
    body_height,
    canvas,
    draw_rules,
    fix_ticks,
    label_room,
    side_labels,
    style,
    title_values,
)
from xtl.report.palette import (
    ENGLISH_LOOK,
    HIGH_GROUP_LOOK,
    HIGH_LOOK,
    INK,
    LOW_GROUP_LOOK,
    PAPER,
    Look,
    low_look,
)
from xtl.report.views import Point, View, is_low, series_name

_SIZES = "English intermediate examples (log scale{})"


def languages_figure(view: View, scale: tuple[float, float] | None = None) -> Figure:
    """The metric against size, a line a language, the low-resource ones in colour.

    `scale` is the least and greatest value of the axis, for pictures that are to be compared.
    """
    return _lines(view, view.languages, view.sizes, gains=False, scale=scale)


def common_scale(views: Sequence[View]) -> tuple[float, float] | None:
    """The least and greatest mean of any language in the views; None where there is none."""
    values = [
        point.mean for view in views for (name, _), point in view.levels.items()
        if name in view.languages and point.runs
    ]  # fmt: skip
    return (min(values), max(values)) if values else None


def groups_figure(view: View) -> Figure:
    """Group means and English against size, each with the replicates' range as a band."""
    return _lines(view, view.main, view.sizes, gains=False, bands=True)


def gains_figure(view: View) -> Figure:
    """The same groups' gains over size 0 of the same seed."""
    above = tuple(pair for pair in view.sizes if pair[1])
    return _lines(view, view.main, above, gains=True, bands=True)


def gain_by_language_figure(view: View) -> Figure:
    """Each language's gain at the largest size that has one: mean and range over replicates."""
    size = view.largest
    assert size is not None
    points = {code: view.gain(code, size[0]) for code in view.languages}
    names = [series_name(code) for code in view.languages]
    with style():
        left = label_room(names)
        body = max(body_height(len(names)), len(names) * LINE * 1.15)
        figure, axes = canvas(left, 14, body)
        axes.set_ylim(len(names) - 0.4, -0.6)
        draw_rules(axes, vertical=True)
        axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
        for row, code in enumerate(view.languages):
            _bar(axes, row, points[code], _look(view, code))
        axes.set_yticks(range(len(names)), names)
        for label, code in zip(axes.get_yticklabels(), view.languages, strict=True):
            _emphasise(label, _look(view, code))
        axes.set_xlabel(f"gain in {view.metric_name} over size 0, in points", labelpad=5)
        _pad(axes, [end for point in points.values() for end in (point.minimum, point.maximum, 0)])
        fix_ticks(axes.xaxis)
    return figure


def _bar(axes: Axes, row: int, point: Point, look: Look) -> None:
    if not point.runs:
        return
    axes.plot(
        [point.minimum, point.maximum], [row, row], color=look.colour, linewidth=2.2, alpha=0.45,
        solid_capstyle="round",
    )  # fmt: skip
    axes.plot([point.mean], [row], **_marker(look, point.partial, size=6.0))


def _emphasise(label: object, look: Look) -> None:
    label.set_color(INK if look is HIGH_LOOK else look.colour)  # type: ignore[attr-defined]
    label.set_fontweight("bold" if look.bold else "normal")  # type: ignore[attr-defined]


def _pad(axes: Axes, values: Sequence[float]) -> None:
    present = [value for value in values if not math.isnan(value)]
    margin = 0.05 * (max(present) - min(present)) or 1.0
    axes.set_xlim(min(present) - margin, max(present) + margin)


def _lines(
    view: View, names: Sequence[str], sizes: tuple[tuple[str, int], ...], *, gains: bool,
    bands: bool = False, scale: tuple[float, float] | None = None,
) -> Figure:  # fmt: skip
    broken = any(not examples for _, examples in sizes)
    with style():
        body = body_height(len(names))
        rows = {name: [_point(view, name, size, gains) for size, _ in sizes] for name in names}
        labels = [_name(name, points) for name, points in rows.items()]
        figure, axes = canvas(LEFT, label_room(labels), body)
        grid = SizeAxis(sizes)
        grid.draw(axes, _SIZES.format("; 0 stands apart" if broken else ""))
        for name, points in rows.items():
            _line(axes, grid, points, _look(view, name), bands)
        if scale:
            axes.update_datalim([(grid.position(sizes[0][1]), value) for value in scale])
        _value_axis(axes, view, gains)
        ends = [_label(axes, grid, name, _look(view, name), row) for name, row in rows.items()]
        side_labels(axes, ends, body)
    return figure


def _value_axis(axes: Axes, view: View, gains: bool) -> None:
    axes.margins(y=0.06)
    axes.autoscale(axis="y")
    draw_rules(axes)
    if gains:
        axes.axhline(0, color=INK, linewidth=0.8, zorder=1.5)
    fix_ticks(axes.yaxis)
    unit = "points" if gains else "%"
    title_values(axes, f"{'gain in ' if gains else ''}{view.metric_name} ({unit})")


def _line(axes: Axes, grid: SizeAxis, points: Sequence[Point], look: Look, bands: bool) -> None:
    """The means, whole above size 0, dotted across the gap, with the range around them."""
    there = [
        (examples, point)
        for (_, examples), point in zip(grid.sizes, points, strict=True)
        if point.runs
    ]
    above = [(grid.position(n), point) for n, point in there if n]
    _stroke(axes, above, look, look.dashes)
    if there and there[0][0] == 0:
        _stroke(axes, [(grid.position(0), there[0][1]), *above[:1]], look, (0.8, 1.8), 0.6)
    if bands:
        _band(axes, above, look)
        for n, point in there:
            _range(axes, grid.position(n), point, look)
    for n, point in there:
        axes.plot([grid.position(n)], [point.mean], **_marker(look, point.partial))


def _stroke(
    axes: Axes, points: Sequence[tuple[float, Point]], look: Look,
    dashes: tuple[float, float] | None, thin: float = 1.0,
) -> None:  # fmt: skip
    axes.plot(
        [x for x, _ in points], [point.mean for _, point in points], color=look.colour,
        linewidth=look.width * thin, linestyle=(0, dashes) if dashes else "-", zorder=look.order,
    )  # fmt: skip


def _band(axes: Axes, points: Sequence[tuple[float, Point]], look: Look) -> None:
    """Between neighbouring sizes that both have a range; one replicate alone has none."""
    axes.fill_between(
        [x for x, _ in points], [point.minimum for _, point in points],
        [point.maximum for _, point in points], where=[point.runs > 1 for _, point in points],
        color=look.colour, alpha=0.18, linewidth=0,
    )  # fmt: skip


def _range(axes: Axes, x: float, point: Point, look: Look) -> None:
    """The range at one size, so that it shows where its neighbours have none."""
    if point.runs > 1:
        axes.vlines(x, point.minimum, point.maximum, color=look.colour, linewidth=2, alpha=0.35)


def _marker(look: Look, hollow: bool, size: float = 4.6) -> dict[str, Any]:
    """A mean's marker; hollow where replicates are missing from it."""
    plain = look.marker == "."
    return {
        "marker": "o" if plain else look.marker,
        "markersize": size * (0.55 if plain else 1.0) * (1.25 if plain and hollow else 1.0),
        "markerfacecolor": PAPER if hollow else look.colour,
        "markeredgecolor": look.colour,
        "markeredgewidth": 0.9,
        "linestyle": "none",
        "zorder": look.order + 0.05,
    }


def _look(view: View, name: str) -> Look:
    if name == ENGLISH:
        return ENGLISH_LOOK
    if name in (LOW, HIGH, WITHOUT_ENGLISH):
        return LOW_GROUP_LOOK if name == LOW else HIGH_GROUP_LOOK
    return low_look(view.group(LOW).index(name)) if is_low(name) else HIGH_LOOK


def _point(view: View, name: str, size: str, gains: bool) -> Point:
    return view.gain(name, size) if gains else view.level(name, size)


def _name(name: str, points: Sequence[Point]) -> str:
    return series_name(name) + ("" if any(point.runs for point in points) else " (none)")


def _label(axes: Axes, grid: SizeAxis, name: str, look: Look, points: Sequence[Point]) -> SideLabel:
    """The name at the end of the line; at the foot of the axes for a line without any point."""
    colour = INK if look is HIGH_LOOK else look.colour
    ends = [
        (grid.position(examples), point.mean)
        for (_, examples), point in zip(grid.sizes, points, strict=True)
        if point.runs
    ]
    x, y = ends[-1] if ends else (axes.get_xlim()[1], axes.get_ylim()[0])
    return SideLabel(_name(name, points), x, y, colour, look.bold and bool(ends))
