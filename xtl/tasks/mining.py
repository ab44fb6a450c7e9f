"""The mining family: parallel sentences found in two pools, as BUCC 2018 asks and XTREME scores it.

Rows are single sentences, of both sides and both splits (features: mining_maker). Each split is
mined by itself (`xtl.tasks.bitext`). The threshold on the margin is the one of best F1 on dev, and
what reaches it on test is scored: F1, precision and recall of the test split's pairs.

As in XTREME's utils_retrieve.py, a sentence that a pool has twice is looked for once, and is never
mined: by its text alone it could be either. Its search for the threshold reads beyond the last
candidate where the best cut is there, and fails; here that candidate's own margin is the threshold
then. And it takes half of the candidates with one margin and leaves the rest in counting F1, though
a threshold cannot; here they go together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from xtl.tasks.bitext import best_pairs
from xtl.tasks.f_score import f1_of_counts
from xtl.tasks.family import Asked, Feature, Prediction, Row
from xtl.tasks.schema import SIDES, SPLITS
from xtl.tasks.sentence_vectors import SentenceVectors

Floats = NDArray[np.float32]

FOREIGN, ENGLISH = SIDES
DEV, TEST = SPLITS

METRICS = ("f1", "precision", "recall")

CHANCE_RIGHT = 3
"""Pairs made by chance have less than one gold one among them, on average."""


class Mining(SentenceVectors):
    """An EvaluableFamily; there is nothing to train."""

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Floats],
        asked: Asked,
    ) -> list[Prediction]:
        """A foreign sentence's text is the id of the English one that it is paired with, its score
        the pair's margin, whether that reaches the threshold (`mined`) or not. Without a pair, and
        for English sentences, text is empty and the score 0."""
        vectors = {each.example: output for each, output in zip(features, outputs, strict=True)}
        pairs: dict[int, tuple[str, float]] = {}
        for split in SPLITS:
            ours, theirs = _pool(rows, split, FOREIGN), _pool(rows, split, ENGLISH)
            found = best_pairs(
                _stacked(vectors, ours.places),
                _stacked(vectors, theirs.places),
                asked.decoding.neighbours,
            )
            for one, other, margin in zip(*(each.tolist() for each in found), strict=True):
                place, partner = ours.places[one], theirs.places[other]
                if place not in ours.repeated and partner not in theirs.repeated:
                    pairs[place] = str(rows[partner]["id"]), margin
        said = [
            Prediction(str(row["id"]), asked.language, *pairs.get(index, ("", 0.0)), metrics={})
            for index, row in enumerate(rows)
        ]
        return self.rescore(rows, said, asked)

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        """From texts and scores: the threshold of dev is looked for again."""
        threshold = _of_dev(rows, predictions)
        return [
            replace(said, metrics={**_counts(row, said, threshold), "threshold": threshold})
            for row, said in zip(rows, predictions, strict=True)
        ]

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """In percent; and `threshold`, the margin from which on pairs of the test split count."""
        gold, mined, right = (_sum(predictions, name) for name in ("gold", "mined", "right"))
        threshold = predictions[0].metrics["threshold"]
        return {**f1_of_counts(gold, mined, right), "threshold": threshold}

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        return _sum(predictions, "right") <= min(CHANCE_RIGHT, _sum(predictions, "gold") // 2)


@dataclass(frozen=True)
class _Pool:
    """The places, among the rows, of a pool's distinct sentences in the order of their ids, so
    that the rows' order has no say; `repeated` are those that the pool has more than once."""

    places: list[int] = field(default_factory=list)
    repeated: frozenset[int] = frozenset()


def _pool(rows: Sequence[Row], split: str, side: str) -> _Pool:
    places = [
        index for index, row in enumerate(rows) if row["split"] == split and row["side"] == side
    ]
    places.sort(key=lambda index: str(rows[index]["id"]))
    first: dict[str, int] = {}
    times = Counter[str]()
    for index in places:
        text = str(rows[index]["text"]).strip()
        first.setdefault(text, index)
        times[text] += 1
    repeated = frozenset(index for text, index in first.items() if times[text] > 1)
    return _Pool(list(first.values()), repeated)


def _stacked(vectors: dict[int, Floats], places: Sequence[int]) -> Floats:
    return np.stack([vectors[place] for place in places]) if places else np.empty((0, 1), "f4")


def _of_dev(rows: Sequence[Row], predictions: Sequence[Prediction]) -> float:
    asked = [
        (row, said)
        for row, said in zip(rows, predictions, strict=True)
        if row["split"] == DEV and row["side"] == FOREIGN
    ]
    pairs = [(said.score, said.text in _matches(row)) for row, said in asked if said.text]
    gold = sum(len(_matches(row)) for row, _ in asked)
    return margin_threshold([margin for margin, _ in pairs], [right for _, right in pairs], gold)


def margin_threshold(margins: Sequence[float], right: Sequence[bool], gold: int) -> float:
    """The least margin to count, of best F1 among `gold` pairs: half-way to the first that is left
    out. The highest, where several cuts are best; 0, which counts all, where no pair is right."""
    order = np.argsort(-np.asarray(margins, np.float64), kind="stable")
    ranked = np.asarray(margins, np.float64)[order]
    hits = np.cumsum(np.asarray(right, np.int64)[order])
    if not len(ranked) or not hits[-1]:
        return 0.0
    last = np.append(ranked[1:] < ranked[:-1], True)  # of those with one margin
    f1 = np.where(last, 2 * hits / (np.arange(1, len(ranked) + 1) + gold), 0.0)
    cut = int(f1.argmax())
    return _between(float(ranked[cut]), float(ranked[cut + 1]) if cut + 1 < len(ranked) else None)


def _between(kept: float, left: float | None) -> float:
    """Where nothing is left out, or no number lies between, the last margin that is kept."""
    middle = kept if left is None else (kept + left) / 2
    return kept if left is not None and middle <= left else middle


def _counts(row: Row, said: Prediction, threshold: float) -> dict[str, float]:
    """What the row adds to the counts of the test split's pairs."""
    scored = row["split"] == TEST and row["side"] == FOREIGN
    mined = scored and said.text != "" and said.score >= threshold
    right = mined and said.text in _matches(row)
    gold = len(_matches(row)) if scored else 0
    return {"mined": float(mined), "right": float(right), "gold": float(gold)}


def _matches(row: Row) -> list[str]:
    return str(row["match"]).split()


def _sum(predictions: Sequence[Prediction], name: str) -> int:
    return int(sum(said.metrics[name] for said in predictions))


FAMILY = Mining()
