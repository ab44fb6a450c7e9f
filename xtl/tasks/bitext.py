"""Parallel sentences found in two pools by a margin (Artetxe & Schwenk 2019, arXiv 1811.01136).

As LASER's mine_bitexts.py and XTREME's third_party/utils_retrieve.py do it with `--margin ratio
--retrieval max`: of each sentence's nearest neighbours in the other pool, in both directions, the
one with the highest margin is its candidate; all candidates together, highest margin first, become
pairs as long as neither sentence is in a pair yet. Pairs without a positive margin are none.
"""

from __future__ import annotations

from typing import NamedTuple

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Places = NDArray[np.int64]

_CHUNK = 2048  # sentences whose neighbours' vectors are in memory at once
_SCORES = 2**27  # inner products on a GPU at once: half a GiB


class Pairs(NamedTuple):
    """Rows of the foreign and of the English pool that belong together, and each pair's margin;
    the highest margin first."""

    foreign: Places
    english: Places
    margins: Doubles


def best_pairs(foreign: Floats, english: Floats, neighbours: int) -> Pairs:
    """The pairs of two pools of vectors, (n, size) and (m, size) of any length.

    The margin of a pair is its cosine over the mean of the two sentences' mean cosines with their
    `neighbours` nearest in the other pool (all of a pool that has fewer). Of pairs of one margin
    the foreign sentence that stands first goes first. No n × m matrix is made.
    """
    if not len(foreign) or not len(english):
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    ours, theirs = _unit(foreign), _unit(english)
    forward, backward = _nearest(theirs, ours, neighbours), _nearest(ours, theirs, neighbours)
    near, near_back = _cosines(ours, theirs, forward), _cosines(theirs, ours, backward)
    mean, mean_back = near.mean(axis=1), near_back.mean(axis=1)
    to_english = _best(forward, _ratio(near, mean[:, None], mean_back[forward]))
    to_foreign = _best(backward, _ratio(near_back, mean_back[:, None], mean[backward]))
    return _each_once(
        np.concatenate([np.arange(len(ours)), to_foreign[0]]),
        np.concatenate([to_english[0], np.arange(len(theirs))]),
        np.concatenate([to_english[1], to_foreign[1]]),
    )


def _unit(vectors: Floats) -> Floats:
    """At length 1; what is no number (a diverged model's) becomes 0, which is near to nothing."""
    numbers = np.nan_to_num(np.asarray(vectors, np.float32), nan=0, posinf=0, neginf=0)
    lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
    unit: Floats = np.divide(numbers, lengths, out=np.zeros_like(numbers), where=lengths > 0)
    return unit


def _nearest(index: Floats, queries: Floats, neighbours: int) -> Places:
    """By the GPU where there is one: BUCC's test pools keep a CPU busy for most of an hour."""
    if torch.cuda.is_available():
        return nearest_on(torch.device("cuda"), index, queries, neighbours)
    flat = faiss.IndexFlatIP(index.shape[1])
    flat.add(index)
    places: Places = flat.search(queries, min(neighbours, len(index)))[1]
    return places


def nearest_on(device: torch.device, index: Floats, queries: Floats, neighbours: int) -> Places:
    """Places in the index of each query's nearest, by inner product; some queries at a time."""
    whole = torch.from_numpy(index).to(device)
    step = max(1, _SCORES // len(index))
    found = [
        (torch.from_numpy(queries[start : start + step]).to(device) @ whole.T)
        .topk(min(neighbours, len(index)), dim=1)
        .indices.cpu()
        for start in range(0, len(queries), step)
    ]
    places: Places = torch.cat(found).numpy()
    return places


def _cosines(queries: Floats, index: Floats, places: Places) -> Doubles:
    """Of each query and its neighbours, in double precision: a pair's is one number, whichever of
    the two asked."""
    chunks = [
        np.einsum(
            "nd,nkd->nk",
            queries[start : start + _CHUNK],
            index[places[start : start + _CHUNK]],
            dtype=np.float64,
        )
        for start in range(0, len(queries), _CHUNK)
    ]
    return np.concatenate(chunks)


def _ratio(cosines: Doubles, own: Doubles, others: Doubles) -> Doubles:
    """0 where the neighbours are not near at all: a ratio says nothing there."""
    means = (own + others) / 2
    return np.divide(cosines, means, out=np.zeros_like(cosines), where=means > 0)


def _best(places: Places, margins: Doubles) -> tuple[Places, Doubles]:
    """Each sentence's candidate, the nearest of those with the highest margin; and that margin."""
    first = margins.argmax(axis=1)[:, None]
    return (
        np.take_along_axis(places, first, axis=1)[:, 0],
        np.take_along_axis(margins, first, axis=1)[:, 0],
    )


def _each_once(foreign: Places, english: Places, margins: Doubles) -> Pairs:
    order = np.argsort(-margins, kind="stable")
    taken, taken_english, kept = set[int](), set[int](), []
    for place in order[margins[order] > 0].tolist():
        one, other = int(foreign[place]), int(english[place])
        if one not in taken and other not in taken_english:
            taken.add(one)
            taken_english.add(other)
            kept.append(place)
    return Pairs(foreign[kept], english[kept], margins[kept])
