"""The forecast of the rest, as finished shards correct it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.sweep.correction import Finished, Kind, to_go

TRAIN: Kind = ("target", "span-qa")
EVALUATE: Kind = ("evaluate", "span-qa")


def seen(kind: Kind, *ratios: float, said: float = 100.0) -> list[Finished]:
    return [Finished(kind, said, said * ratio) for ratio in ratios]


def ratio(kind: Kind, finished: list[Finished]) -> float:
    return to_go([(kind, 1.0)], finished).expected


def test_without_a_finished_shard_the_forecast_stands() -> None:
    found = to_go([(TRAIN, 10.0), (EVALUATE, 5.0)], [])
    assert (found.said, found.finished) == (15, 0)
    assert found.expected == pytest.approx(15)


def test_few_finished_shards_correct_less_than_many() -> None:
    few, many = ratio(TRAIN, seen(TRAIN, 4)), ratio(TRAIN, seen(TRAIN, *[4] * 50))
    assert 1 < few < many < 4
    assert many == pytest.approx(4, rel=0.02)


def test_a_kind_is_corrected_by_its_own_and_one_without_any_by_all() -> None:
    finished = seen(TRAIN, *[3] * 30) + seen(EVALUATE, *[0.5] * 30)
    assert ratio(TRAIN, finished) == pytest.approx(3, rel=0.05)
    assert ratio(EVALUATE, finished) == pytest.approx(0.5, rel=0.05)
    assert 0.5 < ratio(("intermediate", "masked-lm"), finished) < 3


def test_a_long_shard_says_more_than_a_short_one() -> None:
    finished = seen(TRAIN, 1.0, said=1000.0) + seen(TRAIN, 10.0, said=1.0)
    assert ratio(TRAIN, finished) == pytest.approx(1.0, rel=0.02)


def test_the_range_narrows_with_what_is_seen_and_widens_with_its_scatter() -> None:
    def width(finished: list[Finished]) -> float:
        found = to_go([(TRAIN, 1.0)] * 20, finished)
        assert found.low < found.expected < found.high
        return found.high / found.low

    assert width(seen(TRAIN, 2)) > width(seen(TRAIN, *[2] * 20))
    assert width(seen(TRAIN, *[1, 4] * 10)) > width(seen(TRAIN, *[2] * 20))


def test_with_nothing_left_nothing_is_to_go() -> None:
    found = to_go([], seen(TRAIN, 2))
    assert (found.said, found.expected, found.high) == (0, 0, 0)


@given(st.lists(st.floats(0, 1e9), max_size=5), st.lists(st.floats(0, 1e9), max_size=5))
def test_any_figures_give_a_range_around_the_expected(said: list[float], took: list[float]) -> None:
    finished = [Finished(TRAIN, *pair) for pair in zip(said, took, strict=False)]
    found = to_go([(TRAIN, 1.0)], finished)
    assert 0 <= found.low <= found.expected <= found.high
