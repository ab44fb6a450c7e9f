"""The pictures: every label there, none touching another, none cut off."""

from collections.abc import Callable
from itertools import combinations
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from tests.analysis.runs import evaluation, manifest
from tests.report.sweeps import demo, report_data, views
from xtl.report import figures
from xtl.report.axes import style
from xtl.report.pictures import pictures
from xtl.report.svg import inline_svg
from xtl.report.views import View, make_views, series_name
from xtl.sweep.plan import make_plan

DRAWN = [
    figures.languages_figure,
    figures.groups_figure,
    figures.gains_figure,
    figures.gain_by_language_figure,
]


def texts(figure: Figure) -> dict[str, Bbox]:
    """The boxes of all texts that show, in points."""
    with style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        return {
            f"{number} {text.get_text()}": text.get_window_extent(renderer)
            for number, text in enumerate(figure.findobj(Text))
            if text.get_visible() and text.get_text().strip()
        }


def words(figure: Figure) -> set[str]:
    return {key.split(" ", 1)[1] for key in texts(figure)}


def assert_legible(figure: Figure) -> None:
    found = texts(figure)
    assert found
    page = figure.bbox
    for name, box in found.items():
        assert box.x0 >= page.x0, name
        assert box.y0 >= page.y0, name
        assert box.x1 <= page.x1, name
        assert box.y1 <= page.y1, name
    for (first, one), (second, other) in combinations(found.items(), 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        along = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert across <= 0 or along <= 0.75, f"{first} touches {second}"  # below a pixel: leading


@pytest.mark.parametrize("draw", DRAWN)
def test_no_label_is_cut_off_or_touches_another(draw: Callable[[View], Figure]) -> None:
    assert_legible(draw(views()[0]))


def test_retrieval_is_legible_on_a_scale_shared_by_its_pictures() -> None:
    found = [view for view in views() if view.retrieval]
    scale = figures.common_scale(found)
    drawn = [figures.languages_figure(view, scale) for view in found]
    for figure in drawn:
        assert_legible(figure)
    assert len({figure.axes[0].get_ylim() for figure in drawn}) == 1


@pytest.mark.parametrize(
    "sizes", [[0, 1], [0, 4096], [40, 400], [0, 1, 10, 100, 1000, 2000, 2500, 3000, 4000, 4096]]
)
@pytest.mark.parametrize("draw", DRAWN[:2])
def test_any_choice_of_sizes_is_legible(draw: Callable[[View], Figure], sizes: list[int]) -> None:
    assert_legible(draw(views(manifest(sizes=sizes))[0]))


def test_every_language_is_named_beside_its_line() -> None:
    view = views()[0]
    names = {series_name(code) for code in view.languages}
    assert len(names) == 12
    assert names <= words(figures.languages_figure(view))
    assert names <= words(figures.gain_by_language_figure(view))


def test_a_language_without_a_value_is_named_as_such() -> None:
    table = report_data().table
    table.loc[table["language"] == "sw", "value"] = float("nan")
    figure = figures.languages_figure(make_views(table, None)[0])
    assert_legible(figure)
    assert "Swahili (none)" in words(figure)


def test_the_axis_shows_each_size_with_0_apart() -> None:
    figure = figures.groups_figure(views()[0])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "0", "82", "246", "819", "2,048", "4,096",
    ]  # fmt: skip
    zero, first, second, *_ = axes.get_xticks()
    assert second - first == pytest.approx(0.477, abs=0.01)  # log10 of 246 / 82
    assert zero < first


def test_the_range_over_replicates_is_a_band() -> None:
    figure = figures.groups_figure(views()[0])
    assert len(figure.axes[0].collections) >= 3
    one = figures.groups_figure(views(demo(replicates=(1,)))[0])
    assert all(not paths.get_paths() for paths in one.axes[0].collections)


def test_a_mean_over_fewer_replicates_has_a_hollow_marker() -> None:
    lost = evaluation(make_plan(demo(), None), "6%", 1)
    whole, partial = (
        sum(
            line.get_markerfacecolor() == "#fffffe"
            for line in figures.groups_figure(view).axes[0].lines
        )
        for view in (views()[0], views(without=[lost])[0])
    )
    assert (whole, partial) == (0, 3)


@pytest.mark.parametrize("draw", DRAWN)
def test_the_same_view_gives_the_same_bytes(draw: Callable[[View], Figure]) -> None:
    first, second = (inline_svg(draw(views()[0]), "one", "a picture") for _ in range(2))
    assert first == second


def test_an_svg_refers_to_nothing_outside_and_shares_no_id_with_another() -> None:
    view = views()[0]
    ids: list[str] = []
    for number, draw in enumerate(DRAWN):
        tree = ElementTree.fromstring(inline_svg(draw(view), f"figure {number}", "it's <told>"))
        assert tree.get("aria-label") == "it's <told>"
        assert tree.get("width") is None
        for element in tree.iter():
            ids += [value for key, value in element.attrib.items() if key == "id"]
            links = [value for key, value in element.attrib.items() if key.endswith("href")]
            assert all(link.startswith(f"#figure-{number}-") for link in links)
    assert len(ids) == len(set(ids))


def test_text_stays_text_and_colours_follow_the_page() -> None:
    svg = inline_svg(figures.languages_figure(views()[0]), "one", "a picture")
    assert ">Swahili</text>" in svg
    assert "var(--ink, #1b1f24)" in svg
    assert "var(--low-1, #0072b2)" in svg


def test_a_view_without_runs_has_no_picture_and_one_without_size_0_no_gains() -> None:
    plan = make_plan(demo(), None)
    assert pictures(views(without=list(plan.shards))[0], 2) == []
    lost = [evaluation(plan, "0", seed) for seed in (1, 2)]
    assert [picture.title for picture in pictures(views(without=lost)[0], 2)] == [
        "F1 by language", "F1 by resource group",
    ]  # fmt: skip
