"""From start and end scores to answers: the best span of each window, the best window of a row.

Pure numpy, all windows at once. Rules (BERT's run_squad, XTREME): a span starts at one of the
window's n best starts and ends at one of its n best ends, has at most `max_answer_tokens` tokens
and lies in the context's part of one window; over windows the best sum of scores wins, and no
answer is worth the least null score. Only tokens of the context compete to be n best. Ties go to
the earlier window, then to the better start, then to the better end, then to the earlier token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from xtl.tasks.family import Feature

Floats = NDArray[np.float32]

_CHUNK = 512  # windows at once: bounds the memory of the n-best grid


@dataclass(frozen=True)
class WindowSpans:
    """One entry a window: best span's score (-inf without one), its ends, and the null score."""

    score: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    null: Floats


@dataclass(frozen=True)
class Span:
    """The best span of a row: characters [start, end) of its context, empty if there is none.

    `margin` is the span's score less the null score: SQuAD v2.0 answers where it is at least 0.
    """

    start: int
    end: int
    margin: float


def decode(
    rows: int,
    features: Sequence[Feature],
    logits: Sequence[Floats],
    n_best: int,
    max_answer_tokens: int,
) -> list[Span]:
    """The best span of each row over its windows; logits are (length, 2) for each feature."""
    examples = np.array([feature.example for feature in features], dtype=np.int64)
    spans = window_spans(features, logits, n_best, max_answer_tokens)
    null = np.full(rows, np.inf, dtype=np.float32)
    np.minimum.at(null, examples, spans.null)
    winners: dict[int, int] = {}
    for window in np.lexsort((-np.arange(len(features)), spans.score)):  # the best comes last
        winners[int(examples[window])] = int(window)
    return [_span(features, spans, winners.get(row), float(null[row])) for row in range(rows)]


def window_spans(
    features: Sequence[Feature], logits: Sequence[Floats], n_best: int, max_answer_tokens: int
) -> WindowSpans:
    """The best span of each window by itself."""
    parts = [
        _chunk(features[k : k + _CHUNK], logits[k : k + _CHUNK], n_best, max_answer_tokens)
        for k in range(0, len(features), _CHUNK)
    ]
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return WindowSpans(none.astype(np.float32), none, none, none.astype(np.float32))
    return WindowSpans(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.last for part in parts]),
        np.concatenate([part.null for part in parts]),
    )


def _span(features: Sequence[Feature], spans: WindowSpans, window: int | None, null: float) -> Span:
    if window is None or not np.isfinite(spans.score[window]):
        return Span(0, 0, float("-inf"))
    offsets = features[window].offsets
    start, end = offsets[spans.first[window]][0], offsets[spans.last[window]][1]
    return Span(start, end, float(spans.score[window]) - null)


def _chunk(
    features: Sequence[Feature], logits: Sequence[Floats], n_best: int, max_answer_tokens: int
) -> WindowSpans:
    scores = _padded_scores(features, logits)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n_best]  # (windows, n, start | end)
    best = np.take_along_axis(scores, order, axis=1)
    sums = best[:, :, None, 0] + best[:, None, :, 1]  # (windows, starts, ends)
    length = order[:, None, :, 1] - order[:, :, None, 0] + 1
    sums[(length < 1) | (length > max_answer_tokens)] = -np.inf
    windows, width = np.arange(len(features)), order.shape[1]
    choice = sums.reshape(len(features), -1).argmax(axis=1)
    starts, ends = choice // width, choice % width
    return WindowSpans(
        score=sums[windows, starts, ends],
        first=order[windows, starts, 0],
        last=order[windows, ends, 1],
        null=np.array([window[0].sum() for window in logits], dtype=np.float32),
    )


def _padded_scores(features: Sequence[Feature], logits: Sequence[Floats]) -> Floats:
    """(windows, longest, 2), -inf where no answer can start or end."""
    longest = max(len(window) for window in logits)
    scores = np.full((len(features), longest, 2), -np.inf, dtype=np.float32)
    for row, (feature, window) in enumerate(zip(features, logits, strict=True)):
        offsets = np.array(feature.offsets, dtype=np.int64).reshape(-1, 2)
        usable = offsets[:, 0] < offsets[:, 1]
        scores[row, : len(window)][usable] = window[usable]
    return scores
