"""The token cache's layout: how features become arrays, and features again when they are asked for.

A pool has rows, a row has windows (features), a window has tokens and labels. `*_starts` have one
entry more than there are windows or rows: entry k is where k's begin, entry k + 1 where they end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from xtl.data.subsets import DIGEST_BYTES, Indices
from xtl.data.tokens import Column
from xtl.tasks.family import Feature

LAYOUT = 1
"""Raised when the same features would become other arrays, or digests of rows others."""

Ints = NDArray[Any]
Views = Mapping[str, Ints]

COLUMNS = {
    "ids": Column("<i4"),  # XLM-R's 250,002 pieces need more than 16 bits
    "offsets": Column("<i4", 2),  # one a token, or none at all
    "labels": Column("<i4"),
    "parts": Column("<i2"),  # one a window, as the starts below
    "id_starts": Column("<i8"),
    "label_starts": Column("<i8"),
    "window_starts": Column("<i8"),  # one a row, as all that follow
    "digests": Column("|u1", DIGEST_BYTES),
    "strata": Column("<i4"),  # class labels, or none at all
    "groups": Column("|u1", DIGEST_BYTES),  # hashes of contexts, or none at all
}


class Features(Sequence[Feature]):
    """Windows of a mapped pool; a Feature is made of one when it is asked for, and not kept.

    `windows` are their numbers in the pool, `examples` what each calls its example.
    """

    def __init__(self, views: Views, windows: Indices, examples: Indices) -> None:
        self._views, self._windows, self._examples = views, windows, examples

    def __len__(self) -> int:
        return len(self._windows)

    @overload
    def __getitem__(self, place: int) -> Feature: ...
    @overload
    def __getitem__(self, place: slice) -> list[Feature]: ...
    def __getitem__(self, place: int | slice) -> Feature | list[Feature]:
        if isinstance(place, slice):
            return [self._feature(k) for k in range(*place.indices(len(self)))]
        return self._feature(place)

    def __iter__(self) -> Iterator[Feature]:
        return map(self._feature, range(len(self)))

    @property
    def lengths(self) -> Indices:
        """Tokens of each."""
        starts = self._views["id_starts"]
        lengths: Indices = starts[self._windows + 1] - starts[self._windows]
        return lengths

    def ids(self, place: int) -> Ints:
        """A view of the token ids of one, int32."""
        return self._slice("ids", "id_starts", self._windows[place])

    def _feature(self, place: int) -> Feature:
        window = self._windows[place]
        offsets: Ints = self._views["offsets"][:0]
        if len(self._views["offsets"]):
            offsets = self._slice("offsets", "id_starts", window)
        return Feature(
            example=int(self._examples[place]),
            input_ids=tuple(self.ids(place).tolist()),
            labels=tuple(self._slice("labels", "label_starts", window).tolist()),
            offsets=tuple((start, end) for start, end in offsets.tolist()),
            part=int(self._views["parts"][window]),
        )

    def _slice(self, name: str, starts: str, window: np.int64) -> Ints:
        begin = self._views[starts]
        return self._views[name][begin[window] : begin[window + 1]]


class Windows(Sequence[Sequence[Feature]]):
    """The windows of each example; examples without any are not among them."""

    def __init__(self, features: Features, counts: Indices) -> None:
        self._features = features
        self._ends = np.cumsum(counts[counts > 0])

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> list[Feature]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[Feature]]: ...
    def __getitem__(self, place: int | slice) -> list[Feature] | list[list[Feature]]:
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        start = self._ends[place - 1] if place else 0
        return self._features[int(start) : int(self._ends[place])]

    @property
    def shortest(self) -> list[Feature]:
        """The windows of the first of the examples with the fewest tokens."""
        starts = np.concatenate([[0], self._ends[:-1]])
        return self[int(np.add.reduceat(self._features.lengths, starts).argmin())]


def packed(features: Sequence[Feature], rows: int) -> dict[str, Ints]:
    """Arrays of some rows' features, by column; instead of starts, `*_counts`.

    ValueError where features are not in the rows' order, or only some have offsets.
    """
    examples = np.array([feature.example for feature in features], dtype=np.int64)
    if (np.diff(examples) < 0).any():
        raise ValueError("features are not in the order of their rows")
    lengths = [len(feature.input_ids) for feature in features]
    offsets = _flat(chain.from_iterable(each.offsets) for each in features).reshape(-1, 2)
    if len(offsets) not in (0, sum(lengths)):
        raise ValueError("found offsets for some tokens, expected one a token or none")
    return {
        "ids": _flat(feature.input_ids for feature in features),
        "offsets": offsets,
        "labels": _flat(feature.labels for feature in features),
        "parts": np.array([feature.part for feature in features], dtype=np.int16),
        "id_counts": np.array(lengths, dtype=np.int64),
        "label_counts": np.array([len(each.labels) for each in features], dtype=np.int64),
        "window_counts": np.bincount(examples, minlength=rows).astype(np.int64),
    }


def _flat(values: Iterable[Iterable[Any]]) -> Ints:
    return np.fromiter(chain.from_iterable(values), dtype=np.int32)
