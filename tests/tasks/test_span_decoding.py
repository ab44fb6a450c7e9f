from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from xtl.tasks.family import Feature
from xtl.tasks.span_decoding import Span, decode

Floats = NDArray[np.float32]


def window(example: int, start: int, tokens: int, question: int = 2) -> Feature:
    """`<s> question </s></s> tokens </s>` with one character a token, from character `start`."""
    head = 1 + question + 2
    offsets = [(0, 0)] * head + [(start + k, start + k + 1) for k in range(tokens)] + [(0, 0)]
    return Feature(example, input_ids=tuple(range(len(offsets))), offsets=tuple(offsets))


def flat(feature: Feature, **scores: tuple[float, float]) -> Floats:
    """Scores of -1, but (start, end) for `null` and for the token of each character `cN`."""
    logits = np.full((len(feature.input_ids), 2), -1, dtype=np.float32)
    for name, pair in scores.items():
        place = 0 if name == "null" else [s for s, _ in feature.offsets].index(int(name[1:]), 5)
        logits[place] = pair
    return logits


def by_brute_force(
    rows: int, features: list[Feature], logits: list[Floats], n_best: int, longest: int
) -> list[tuple[float, float]]:
    """(best score, null score) of each row: every pair of every window, one by one."""
    best = [(-math.inf, math.inf)] * rows
    for feature, scores in zip(features, logits, strict=True):
        usable = [k for k, (start, end) in enumerate(feature.offsets) if start < end]
        starts = sorted(usable, key=lambda k: -scores[k, 0])[:n_best]
        ends = sorted(usable, key=lambda k: -scores[k, 1])[:n_best]
        spans = [
            float(scores[first, 0] + scores[last, 1])
            for first, last in itertools.product(starts, ends)
            if first <= last < first + longest
        ]
        score, null = best[feature.example]
        best[feature.example] = (
            max([score, *spans]),
            min(null, float(scores[0, 0] + scores[0, 1])),
        )
    return best


@st.composite
def scored_windows(draw: st.DrawFn) -> tuple[int, list[Feature], list[Floats]]:
    rows = draw(st.integers(1, 4))
    features, logits = [], []
    for example in range(rows):
        for number in range(draw(st.integers(1, 3))):
            feature = window(example, 5 * number, draw(st.integers(0, 12)))
            size = 2 * len(feature.input_ids)
            values = draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
            features.append(feature)
            logits.append(np.array(values, dtype=np.float32).reshape(-1, 2))
    return rows, features, logits


@given(scored_windows(), st.integers(1, 6), st.integers(1, 8))
def test_decoding_all_windows_at_once_equals_trying_every_span(
    case: tuple[int, list[Feature], list[Floats]], n_best: int, longest: int
) -> None:
    rows, features, logits = case
    expected = by_brute_force(rows, features, logits, n_best, longest)
    for row, span in enumerate(decode(rows, features, logits, n_best, longest)):
        score, null = expected[row]
        assert span.margin == (pytest.approx(score - null) if math.isfinite(score) else -math.inf)


@given(scored_windows(), st.integers(1, 6), st.integers(1, 8))
def test_an_answer_lies_in_the_context_of_one_window_and_is_short_enough(
    case: tuple[int, list[Feature], list[Floats]], n_best: int, longest: int
) -> None:
    rows, features, logits = case
    for row, span in enumerate(decode(rows, features, logits, n_best, longest)):
        if span == Span(0, 0, -math.inf):
            continue
        assert 0 < span.end - span.start <= longest  # one character a token
        assert any(
            (span.start, span.start + 1) in feature.offsets
            and (span.end - 1, span.end) in feature.offsets
            for feature in features
            if feature.example == row
        )


def test_the_question_and_the_special_tokens_never_answer() -> None:
    feature = window(0, 0, tokens=4)
    logits = np.full((len(feature.input_ids), 2), 9, dtype=np.float32)
    logits[5:9] = -9
    logits[6] = -8
    (span,) = decode(1, [feature], [logits], 20, 30)
    assert (span.start, span.end) == (1, 2)
    assert span.margin == -16 - 18


def test_an_answer_never_joins_two_windows() -> None:
    """The best start is in one window, the best end in the next: each must do with its own."""
    features = [window(0, 0, tokens=6), window(0, 4, tokens=6)]
    logits = [flat(features[0], c5=(9, 0)), flat(features[1], c6=(0, 9))]
    (span,) = decode(1, features, logits, 20, 30)
    assert (span.start, span.end) in {(5, 6), (6, 7)}
    assert span.margin == 9 + 0 + 2


def test_the_better_window_answers_and_the_lesser_null_score_counts() -> None:
    features = [window(0, 0, tokens=6), window(0, 4, tokens=6)]
    logits = [
        flat(features[0], c1=(3, 3), null=(2, 2)),
        flat(features[1], c7=(4, 4), null=(1, 0)),
    ]
    assert decode(1, features, logits, 20, 30) == [Span(7, 8, 8 - 1)]


def test_an_end_before_its_start_is_no_answer() -> None:
    feature = window(0, 0, tokens=6)
    (span,) = decode(1, [feature], [flat(feature, c4=(9, -1), c2=(-1, 5))], 20, 30)
    assert (span.start, span.end) == (4, 5)


def test_an_answer_has_at_most_the_given_number_of_tokens() -> None:
    feature = window(0, 0, tokens=40)
    logits = flat(feature, c2=(9, -1), c31=(-1, 8), c32=(-1, 9))
    (span,) = decode(1, [feature], [logits], 20, 30)
    assert (span.start, span.end) == (2, 32)


def test_ties_go_to_the_earlier_window_and_token() -> None:
    features = [window(0, 0, tokens=6), window(0, 4, tokens=6)]
    logits = [flat(features[0], c2=(3, 3), c5=(3, 3)), flat(features[1], c5=(3, 3))]
    (span,) = decode(1, features, logits, 20, 2)
    assert (span.start, span.end) == (2, 3)


def test_a_context_without_tokens_answers_nothing() -> None:
    feature = window(0, 0, tokens=0)
    assert decode(1, [feature], [flat(feature)], 20, 30) == [Span(0, 0, -math.inf)]


def test_no_rows_give_no_answers() -> None:
    assert decode(0, [], [], 20, 30) == []


def test_a_thousand_windows_are_decoded_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    features = [window(row, 0, tokens=30) for row in range(1100)]
    logits = [random.normal(size=(36, 2)).astype(np.float32) for _ in features]
    together = decode(1100, features, logits, 20, 30)
    for row in (0, 511, 512, 1099):
        alone = decode(1, [window(0, 0, tokens=30)], [logits[row]], 20, 30)
        assert together[row] == alone[0]
