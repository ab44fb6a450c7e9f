"""The pictures of a page: which there are, their titles, and the captions that explain them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from xtl.report import figures
from xtl.report.numbers import count, plural
from xtl.report.svg import inline_svg
from xtl.report.views import View


@dataclass(frozen=True)
class Picture:
    """An SVG, what stands above it, and what explains it."""

    title: str
    caption: str
    svg: Markup


def pictures(view: View, replicates: int) -> list[Picture]:
    """The metric by language and by group, then the gains; what has no run has no picture."""
    if view.empty:
        return []
    planned = plural(replicates, "replicate")
    metric, largest = view.metric_name, view.largest
    hollow = _hollow(view)
    found = [
        _picture(
            view, figures.languages_figure, f"{metric} by language",
            f"Mean of {planned}. Low-resource languages in colour, English dashed.{hollow}",
        ),
        _picture(
            view, figures.groups_figure, f"{metric} by resource group",
            f"Means over languages and {planned}; the band is the replicates' range.{hollow}",
        ),
    ]  # fmt: skip
    if largest is None:
        return found
    at = f"{count(largest[1])} examples"
    return [
        *found,
        _picture(
            view, figures.gains_figure, "Gain over no intermediate training",
            f"Each replicate less its own size 0; mean of {planned} and their range.{hollow}",
        ),
        _picture(
            view, figures.gain_by_language_figure, f"Gain by language at {at}",
            "Least CC-100 text at the top; mean and range over replicates.",
        ),
    ]  # fmt: skip


def _hollow(view: View) -> str:
    return " Hollow markers: fewer replicates than planned." if view.partial else ""


def _picture(view: View, draw: Callable[[View], Figure], title: str, caption: str) -> Picture:
    name = f"{view.key}-{title}"
    return Picture(title, caption, Markup(inline_svg(draw(view), name, f"{title}. {caption}")))


def retrieval_pictures(views: Sequence[View]) -> list[Picture]:
    """All on one scale, so that before and after can be compared by eye."""
    scale = figures.common_scale(views)
    return [_retrieval_picture(view, scale) for view in views]


def _retrieval_picture(view: View, scale: tuple[float, float] | None) -> Picture:
    after = f"after {view.target}" if view.target else "before any target training"
    title = f"{view.set}, {after}"
    if view.empty:
        return Picture(title, "No runs yet.", Markup(""))
    caption = f"Intermediate task {view.task}, arm {view.arm}; mean over replicates.{_hollow(view)}"
    return _picture(view, lambda view: figures.languages_figure(view, scale), title, caption)
