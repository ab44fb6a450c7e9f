"""Margins and pairs, worked by hand and beside the plain algorithm on whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xtl.tasks import bitext
from xtl.tasks.bitext import Pairs, best_pairs

Vectors = NDArray[np.float32]


def vectors(*rows: tuple[float, ...]) -> Vectors:
    return np.array(rows, dtype=np.float32)


def as_tuples(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.foreign.tolist(), pairs.english.tolist(), strict=True))


def random_vectors(seed: int, rows: int, size: int = 6) -> Vectors:
    """Near a common direction, as a model's sentences are: all cosines are positive."""
    drawn = np.random.default_rng(seed).normal(size=(rows, size))
    drawn[:, 0] = np.abs(drawn[:, 0]) + 3
    return drawn.astype(np.float32)


AXES = vectors((1, 0, 0), (0, 1, 0), (0, 0, 1))


def test_a_margin_is_the_cosine_over_the_mean_of_both_neighbourhoods() -> None:
    """The cosines are the English vectors' own numbers. With two neighbours the means are .7, .7
    and .4 of the foreign sentences and .7 of each English one."""
    pairs = best_pairs(AXES, vectors((0.8, 0.6, 0), (0.6, 0.8, 0), (0, 0.6, 0.8)), 2)
    assert as_tuples(pairs) == [(2, 2), (0, 0), (1, 1)]
    assert pairs.margins.tolist() == pytest.approx([0.8 / 0.55, 0.8 / 0.7, 0.8 / 0.7])


def test_a_pair_may_be_a_candidate_of_the_english_sentence_alone() -> None:
    """The second foreign sentence's only neighbour is the first's; it is the second English one
    that asks for it: .6 over the mean of .8 and .6."""
    pairs = best_pairs(vectors((1, 0), (0.8, 0.6)), vectors((1, 0), (0, 1)), 1)
    assert as_tuples(pairs) == [(0, 0), (1, 1)]
    assert pairs.margins.tolist() == pytest.approx([1, 0.6 / 0.7])


def test_a_pair_may_be_a_candidate_of_the_foreign_sentence_alone() -> None:
    pairs = best_pairs(vectors((1, 0), (0, 1)), vectors((1, 0), (0.8, 0.6)), 1)
    assert as_tuples(pairs) == [(0, 0), (1, 1)]
    assert pairs.margins.tolist() == pytest.approx([1, 0.6 / 0.7])


def test_the_candidate_is_the_neighbour_of_highest_margin_not_of_highest_cosine() -> None:
    """The first English sentence is at .7 of both foreign ones, the second at .6 of the first
    alone: there .6 / ((.65 + .3) / 2) is more than .7 / ((.65 + .7) / 2)."""
    english = vectors((0.7, 0.7, 0.02**0.5, 0), (0.6, 0, 0, 0.8))
    pairs = best_pairs(vectors((1, 0, 0, 0), (0, 1, 0, 0)), english, 2)
    assert as_tuples(pairs) == [(1, 0), (0, 1)]
    assert pairs.margins.tolist() == pytest.approx([0.7 / 0.525, 0.6 / 0.475])


def test_of_pairs_with_one_margin_the_foreign_sentence_that_stands_first_goes_first() -> None:
    pairs = best_pairs(vectors((1, 0), (1, 0)), vectors((1, 0)), 4)
    assert as_tuples(pairs) == [(0, 0)]


def test_pools_smaller_than_the_neighbourhood_are_neighbours_as_a_whole() -> None:
    pairs = best_pairs(vectors((1, 0), (0.6, 0.8)), vectors((1, 0)), 4)
    assert as_tuples(pairs) == [(0, 0)]
    assert pairs.margins.tolist() == pytest.approx([1 / ((1 + 0.8) / 2)])


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_pool_has_no_pairs(sizes: tuple[int, int]) -> None:
    pairs = best_pairs(random_vectors(0, sizes[0]), random_vectors(1, sizes[1]), 4)
    assert [len(each) for each in pairs] == [0, 0, 0]


def test_vectors_that_are_no_numbers_are_in_no_pair() -> None:
    foreign = vectors((np.nan, 1), (1, 0), (np.inf, np.nan))
    assert as_tuples(best_pairs(foreign, vectors((1, 0), (np.nan, np.nan)), 1)) == [(1, 0)]


def test_what_points_away_is_in_no_pair() -> None:
    assert as_tuples(best_pairs(vectors((1, 0)), vectors((-1, 0)), 4)) == []


POOLS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=60, deadline=None)
@given(POOLS, st.integers(1, 5))
def test_pairs_are_those_of_the_plain_algorithm(pools: tuple[int, int, int], near: int) -> None:
    """LASER's and XTREME's loops, on a matrix of all cosines."""
    seed, size, other_size = pools
    foreign, english = random_vectors(seed, size), random_vectors(seed + 1, other_size)
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (foreign, english)]
    cosine = unit[0].astype(np.float64) @ unit[1].astype(np.float64).T
    mean = np.sort(cosine, axis=1)[:, ::-1][:, :near].mean(axis=1)
    mean_back = np.sort(cosine, axis=0)[::-1][:near].mean(axis=0)
    margin = cosine / ((mean[:, None] + mean_back[None, :]) / 2)
    candidates = []
    for one in range(size):
        places = np.argsort(-cosine[one])[:near]
        candidates.append((one, int(places[margin[one, places].argmax()])))
    for other in range(other_size):
        places = np.argsort(-cosine[:, other])[:near]
        candidates.append((int(places[margin[places, other].argmax()]), other))
    expected, seen, seen_english = [], set(), set()
    for one, other in sorted(candidates, key=lambda pair: -margin[pair]):
        if one not in seen and other not in seen_english:
            seen.add(one)
            seen_english.add(other)
            expected.append((one, other))
    found = best_pairs(foreign, english, near)
    assert as_tuples(found) == expected
    assert found.margins == pytest.approx([margin[pair] for pair in expected], rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(POOLS)
def test_the_two_sides_are_treated_alike(pools: tuple[int, int, int]) -> None:
    seed, size, other_size = pools
    foreign, english = random_vectors(seed, size), random_vectors(seed + 1, other_size)
    there, back = best_pairs(foreign, english, 4), best_pairs(english, foreign, 4)
    assert as_tuples(there) == [(one, other) for other, one in as_tuples(back)]
    assert there.margins.tolist() == back.margins.tolist()


@settings(max_examples=60, deadline=None)
@given(POOLS, st.integers(-20, 20))
def test_the_length_of_vectors_has_no_say(pools: tuple[int, int, int], power: int) -> None:
    seed, size, other_size = pools
    foreign, english = random_vectors(seed, size), random_vectors(seed + 1, other_size)
    before = best_pairs(foreign, english, 4)
    scales = np.exp2(np.arange(size) % 5 + power).astype(np.float32)[:, None]
    after = best_pairs(foreign * scales, english * np.float32(0.5), 4)
    assert as_tuples(after) == as_tuples(before)
    assert after.margins.tolist() == before.margins.tolist()


def test_a_device_finds_the_neighbours_that_faiss_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that a GPU takes, here on a CPU, a few queries at a time."""
    draw = np.random.default_rng(0)
    index, queries = (draw.normal(size=(size, 16)).astype(np.float32) for size in (50, 30))
    monkeypatch.setattr(bitext, "_SCORES", 50 * 7)
    found = bitext.nearest_on(torch.device("cpu"), index, queries, 4)
    assert np.array_equal(found, bitext._nearest(index, queries, 4))
    assert bitext.nearest_on(torch.device("cpu"), index[:3], queries, 4).shape == (30, 3)
