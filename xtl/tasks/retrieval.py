"""The retrieval family: find a sentence's translation by cosine, without any training.

Rows are a foreign source sentence and its English target (features: retrieval_features; vectors:
sentence_vectors). As in XTREME, the index holds the foreign side and each English sentence asks for
its nearest foreign one, by position: `accuracy`. The other direction is `accuracy_from_foreign`.
No margin, no tuning. Of foreign sentences with the same text the first is the one retrieved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import faiss
import numpy as np
from numpy.typing import NDArray

from xtl.tasks.family import Asked, Feature, Prediction, Row, example_id, mean_metrics
from xtl.tasks.retrieval_features import ENGLISH_PART, FOREIGN_PART, sides
from xtl.tasks.sentence_vectors import SentenceVectors

Floats = NDArray[np.float32]

METRICS = ("accuracy", "accuracy_from_foreign")

CHANCE_HITS = 3
"""Guessing finds one sentence on average, and more than three in 2% of sets (Poisson)."""


class Retrieval(SentenceVectors):
    """An EvaluableFamily; there is nothing to train."""

    def predict(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        outputs: Sequence[Floats],
        asked: Asked,
    ) -> list[Prediction]:
        """Text is the foreign sentence found for the row's English one, score their cosine."""
        texts = [sides(row) for row in rows]
        foreign = _side(features, outputs, FOREIGN_PART)
        english = _side(features, outputs, ENGLISH_PART)
        found, cosine = nearest(foreign, english)
        found_english, _ = nearest(english, foreign)
        back = _hits([text for _, text in texts], found_english)
        return [
            Prediction(
                example_id(row, index),
                asked.language,
                text=texts[found[index]][FOREIGN_PART],
                score=float(cosine[index]),
                metrics={"accuracy": hit, "accuracy_from_foreign": hit_back},
            )
            for index, (row, hit, hit_back) in enumerate(
                zip(rows, _hits([text for text, _ in texts], found), back, strict=True)
            )
        ]

    def rescore(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> list[Prediction]:
        """`accuracy` from the text; the other direction's answers are not kept, its hits are."""
        texts = [sides(row)[FOREIGN_PART] for row in rows]
        first = _first_places(texts)
        found = np.array([first.get(said.text, -1) for said in predictions], dtype=np.int64)
        return [
            replace(said, metrics={**said.metrics, "accuracy": hit})
            for said, hit in zip(predictions, _hits(texts, found), strict=True)
        ]

    def summarise(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        return mean_metrics(predictions, METRICS)

    def at_chance(
        self, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
    ) -> bool:
        hits = sum(said.metrics["accuracy"] > 0 for said in predictions)
        return hits <= min(CHANCE_HITS, len(predictions) // 2)


def nearest(index: Floats, queries: Floats) -> tuple[NDArray[np.int64], Floats]:
    """For each query the place and the inner product of the nearest row of the index."""
    flat = faiss.IndexFlatIP(index.shape[1])
    flat.add(np.ascontiguousarray(index))
    products, places = flat.search(np.ascontiguousarray(queries), 1)
    return places[:, 0], products[:, 0]


def _side(features: Sequence[Feature], outputs: Sequence[Floats], part: int) -> Floats:
    return np.stack(
        [output for feature, output in zip(features, outputs, strict=True) if feature.part == part]
    )


def _first_places(texts: Sequence[str]) -> dict[str, int]:
    return {text: place for place, text in reversed(list(enumerate(texts)))}


def _hits(texts: Sequence[str], found: NDArray[np.int64]) -> list[float]:
    """100 where the text found is the row's, else 0; of equal texts the first counts as found."""
    first = _first_places(texts)
    return [
        100.0 * (place >= 0 and first[texts[place]] == index) for index, place in enumerate(found)
    ]


FAMILY = Retrieval()
