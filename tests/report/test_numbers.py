"""How figures are written."""

import math

import pytest

from xtl.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(41.26, "41.3"), (0.0, "0.0"), (-0.04, "0.0"), (-1.25, "−1.2"), (math.nan, "–")],
)
def test_a_number_has_one_decimal_and_a_true_minus(value: float, text: str) -> None:
    assert numbers.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.1, "10%"), (0.125, "12.5%"), (0.07, "7%")])
def test_a_share_is_a_percentage_without_zeros(value: float, text: str) -> None:
    assert numbers.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.31, "+1.3"), (-0.44, "−0.4"), (0.04, "0.0"), (-0.04, "0.0"), (math.nan, "–")],
)
def test_a_change_has_its_sign_unless_it_rounds_to_nothing(value: float, text: str) -> None:
    assert numbers.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(819, "819"), (4096, "4,096"), (39_905, "39.9k"), (392_702, "392.7k"), (130_000, "130k"),
     (999_960, "1M"), (1_104_934, "1.1M")],
)  # fmt: skip
def test_a_tick_is_short_from_ten_thousand_on(value: int, text: str) -> None:
    assert numbers.short_count(value) == text


def test_a_range_without_width_is_one_number() -> None:
    assert numbers.span(41.02, 41.04) == "41.0"
    assert numbers.span(41.0, 43.2) == "41.0–43.2"
    assert numbers.signed_span(-1.0, 2.0) == "−1.0 to +2.0"


def test_lists_are_joined_as_in_english() -> None:
    assert [numbers.listing(list("abc")[:n]) for n in range(4)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_short_times_are_in_minutes() -> None:
    assert numbers.hours(90) == "1.5 min"
    assert numbers.hours(5400) == "1.50 h"
