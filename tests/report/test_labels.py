"""Labels at the side of a picture never touch, and stay near to what they name."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.report.labels import spread

POSITIONS = st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=15)


@given(POSITIONS)
def test_labels_are_apart_and_within_the_axes(wanted: list[float]) -> None:
    placed = sorted(spread(wanted, 12, 0, 200))
    assert all(above - below >= 12 - 1e-9 for below, above in pairwise(placed))
    assert placed[0] >= -1e-9
    assert placed[-1] <= 200 + 1e-9


@given(POSITIONS)
def test_labels_keep_the_order_of_what_they_name(wanted: list[float]) -> None:
    placed = spread(wanted, 12, 0, 200)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    assert [placed[i] for i in order] == sorted(placed)


def test_labels_with_room_stay_where_they_are_wanted() -> None:
    assert spread([50, 10, 90], 12, 0, 100) == pytest.approx([50, 10, 90])


def test_two_labels_at_one_place_part_evenly() -> None:
    assert spread([50, 50], 12, 0, 100) == pytest.approx([44, 56])


def test_labels_that_cannot_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        spread([1, 2, 3], 12, 0, 20)
