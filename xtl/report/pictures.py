"""The pictures of a page: which there are, their titles, and the captions that explain them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from xtl.report import figures
from xtl.report.numbers import capital, count, plural
from xtl.report.svg import inline_svg
from xtl.report.views import View
from xtl.tasks.catalogue import EVALUATION_SETS


@dataclass(frozen=True)
class Picture:
    """An SVG, what stands above it, and what explains it."""

    title: str
    caption: str
    svg: Markup


def pictures(view: View, replicates: int) -> list[Picture]:
    """The metric by language and by group, then the gains; what has no run has no picture, and
    what is in English alone none of groups or languages."""
    if view.empty:
        return []
    found = [*_levels(view, plural(replicates, "replicate"))]
    return found if view.largest is None else [*found, *_gains(view, replicates, view.largest)]


def _levels(view: View, planned: str) -> Iterator[Picture]:
    metric, hollow = capital(view.metric_name), _hollow(view)
    if not view.english_alone:
        yield _picture(
            view, figures.languages_figure, f"{metric} by language",
            f"Mean of {planned}. Low-resource languages in colour, English dashed.{hollow}",
        )  # fmt: skip
    yield _picture(
        view, figures.groups_figure,
        f"{metric} in English" if view.english_alone else f"{metric} by resource group",
        ("Mean over" if view.english_alone else "Means over languages and")
        + f" {planned}; the band is the replicates' range.{hollow}",
    )  # fmt: skip


def _gains(view: View, replicates: int, largest: tuple[str, int]) -> Iterator[Picture]:
    yield _picture(
        view, figures.gains_figure, "Gain over no intermediate training",
        f"Each replicate less its own size 0; mean of {plural(replicates, 'replicate')} and "
        f"their range.{_hollow(view)}",
    )  # fmt: skip
    if not view.english_alone:
        yield _picture(
            view, figures.gain_by_language_figure,
            f"Gain by language at {count(largest[1])} examples",
            "Least CC-100 text at the top; mean and range over replicates.",
        )  # fmt: skip


def _hollow(view: View) -> str:
    return " Hollow markers: fewer replicates than planned." if view.partial else ""


def _picture(view: View, draw: Callable[[View], Figure], title: str, caption: str) -> Picture:
    name = f"{view.key}-{title}"
    return Picture(title, caption, Markup(inline_svg(draw(view), name, f"{title}. {caption}")))


_ASKED = {
    "retrieval": "{metric} on {set}: English sentences ask for their translation among those of "
    "the other language",
    "mining": "{metric} on {set}: pairs of translations are mined among sentences of which most "
    "have none",
}


def retrieval_pictures(views: Sequence[View]) -> list[tuple[str, list[Picture]]]:
    """For each set what is asked, and its pictures: all on one scale, so that before and after
    can be compared by eye."""
    by_set: dict[str, list[View]] = {}
    for view in views:
        by_set.setdefault(view.set, []).append(view)
    return [(_asked(own[0]), _retrieval_of(own)) for own in by_set.values()]


def _asked(view: View) -> str:
    said = _ASKED[EVALUATION_SETS[view.set].family].format(metric=view.metric_name, set=view.set)
    return f"{capital(said)}; all its pictures on one scale."


def _retrieval_of(views: Sequence[View]) -> list[Picture]:
    scale = figures.common_scale(views)
    return [_retrieval_picture(view, scale) for view in views]


def _retrieval_picture(view: View, scale: tuple[float, float] | None) -> Picture:
    after = f"after {view.target}" if view.target else "before any target training"
    title = f"{view.set}, {after}"
    if view.empty:
        return Picture(title, "No runs yet.", Markup(""))
    caption = f"Intermediate task {view.task}, arm {view.arm}; mean over replicates.{_hollow(view)}"
    return _picture(view, lambda view: figures.languages_figure(view, scale), title, caption)
