"""The declared contrast: a figure a chain, an interval over chains from three on, a verdict."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.runs import CONTROL, METRICS, PRIMARY, evaluation, plan, runs, straight
from xtl.analysis.contrast import Contrast, contrast, slope, t_interval
from xtl.analysis.table import build_table
from xtl.sweep.cells import Cell
from xtl.sweep.choices import Primary


def contrast_of(by_seed: dict[int, float], **changes: object) -> Contrast:
    """The contrast where the chain of each seed gains so much a decade in each language."""
    planned = plan(replicates=list(by_seed))

    def score(cell: Cell, set_name: str, language: str, metric: str) -> float:
        decades = math.log10(cell.examples) if cell.examples else 0.0
        return 30 + by_seed[cell.seed] * decades

    table = build_table(planned, runs(planned, score, METRICS))
    return contrast(table, Primary.model_validate(PRIMARY | changes))


def test_the_slope_is_of_the_declared_languages_for_each_chain() -> None:
    planned = plan()
    table = build_table(planned, runs(planned, straight, METRICS))
    found = contrast(table, Primary.model_validate(PRIMARY))
    assert found.chains == {1: pytest.approx(3), 2: pytest.approx(3)}  # bn gains 2, sw 4
    assert found.mean == pytest.approx(3)
    assert found.without == {"bn": pytest.approx(4), "sw": pytest.approx(2)}


def test_the_strong_control_is_no_part_of_the_contrast() -> None:
    def score(cell: Cell, set_name: str, language: str, metric: str) -> float:
        return 99.0 if cell.recipe else straight(cell, set_name, language, metric)

    controlled, primary = plan(strong_control=CONTROL), Primary.model_validate(PRIMARY)
    found = contrast(build_table(controlled, runs(controlled, score, METRICS)), primary)
    usual = plan()
    assert found == contrast(build_table(usual, runs(usual, straight, METRICS)), primary)


def test_size_0_is_no_part_of_the_slope() -> None:
    planned = plan()

    def score(cell: Cell, *_: str) -> float:
        return 2 * math.log10(cell.examples) if cell.examples else 99.0

    table = build_table(planned, runs(planned, score, METRICS))
    assert contrast(table, Primary.model_validate(PRIMARY)).mean == pytest.approx(2)


def test_any_minus_zero_is_the_mean_above_0_less_size_0() -> None:
    planned = plan()
    table = build_table(planned, runs(planned, straight, METRICS))
    primary = Primary.model_validate(PRIMARY | {"contrast": "any-minus-zero"})
    assert contrast(table, primary).mean == pytest.approx(10 + 3)  # 10 for any, 3 a decade


def test_two_chains_have_a_range_and_no_interval() -> None:
    found = contrast_of({1: 1.0, 2: 3.0})
    assert found.range == pytest.approx((1, 3))
    assert found.interval is None
    assert found.verdict == "undecided"


def test_three_chains_have_students_t_interval() -> None:
    found = contrast_of({1: 1.0, 2: 2.0, 3: 3.0})
    reach = 4.302652729911275 / math.sqrt(3)  # t(0.975, 2 degrees of freedom), SD 1
    assert found.interval == pytest.approx((2 - reach, 2 + reach))


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [
        ((2.0, 2.1, 1.9), "positive"),
        ((-2.0, -2.1, -1.9), "negative"),
        ((0.01, -0.01, 0.02), "equivalent"),
        ((3.0, -3.0, 1.0), "undecided"),
    ],
)
def test_the_verdict_follows_the_interval_and_the_margin(
    slopes: tuple[float, ...], verdict: str
) -> None:
    assert contrast_of(dict(enumerate(slopes))).verdict == verdict


def test_a_missing_size_is_left_out_and_marks_the_contrast_unbalanced() -> None:
    planned = plan()
    found = runs(planned, straight, METRICS)
    assert not contrast(build_table(planned, found), Primary.model_validate(PRIMARY)).unbalanced
    for seed in (1, 2):
        del found[evaluation(planned, "400", seed)]
    result = contrast(build_table(planned, found), Primary.model_validate(PRIMARY))
    assert result.unbalanced
    assert result.sizes == {1: (0, 40, 4000), 2: (0, 40, 4000)}
    assert result.mean == pytest.approx(3)


def test_a_chain_with_one_size_gives_no_figure() -> None:
    planned = plan()
    found = runs(planned, straight, METRICS)
    for size in ("40", "400"):
        del found[evaluation(planned, size, 1)]
    result = contrast(build_table(planned, found), Primary.model_validate(PRIMARY))
    assert list(result.chains) == [2]
    assert result.unbalanced


def test_no_runs_at_all_is_no_data() -> None:
    result = contrast(build_table(plan(), {}), Primary.model_validate(PRIMARY))
    assert result.verdict == "no data"
    assert math.isnan(result.mean)


@given(
    st.floats(-20, 20), st.floats(-20, 20),
    st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True),
)  # fmt: skip
def test_the_slope_of_a_straight_line_is_its_own(
    start: float, per_decade: float, examples: list[int]
) -> None:
    counts = np.array(examples, dtype=float)
    found = slope(counts, start + per_decade * np.log10(counts))
    assert found == pytest.approx(per_decade, abs=1e-2)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    samples = rng.normal(1.0, 1.2, size=(2000, 5))
    intervals = [t_interval(list(sample), 0.95) for sample in samples]
    covered = [interval[0] <= 1.0 <= interval[1] for interval in intervals if interval]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)
