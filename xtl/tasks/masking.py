"""BERT's masking: which tokens are to be guessed, and what stands in their place.

A token that is no special one is chosen with probability 0.15. Of those chosen 80% become the mask,
10% any ordinary token of the vocabulary, 10% stay (Devlin et al. 2019, section 3.1). Masks are
drawn anew for each update (Liu et al. 2019, "dynamic masking"). Where none is chosen by chance, the
token that came nearest is. Pure numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xtl.data.batches import IGNORED_LABEL
from xtl.tasks.family import Feature, Vocabulary

CHOSEN = 0.15
MASKED = 0.8  # of the chosen
REPLACED = 0.1  # of the chosen, by an ordinary token

_DOUBLE_BITS = 53


def masked(feature: Feature, vocabulary: Vocabulary, seed: Sequence[int]) -> Feature:
    """The feature with tokens masked; labels are their own ids where chosen, else IGNORED_LABEL.

    A function of its tokens and the seed: neither its place in an update nor what else is in there
    has a say.
    """
    ids = np.array(feature.input_ids, dtype=np.int64)
    ordinary = _ordinary(vocabulary)
    choice, fate, other = _uniform(ids, seed)
    chosen = _chosen(choice, np.isin(ids, _special(vocabulary), invert=True))
    seen = np.where(chosen & (fate < MASKED), vocabulary.mask, ids)
    replaced = chosen & (fate >= MASKED) & (fate < MASKED + REPLACED)
    seen[replaced] = ordinary[(other[replaced] * len(ordinary)).astype(np.int64)]
    labels = np.where(chosen, ids, IGNORED_LABEL)
    return replace(feature, input_ids=tuple(seen.tolist()), labels=tuple(labels.tolist()))


def _chosen(choice: NDArray[np.float64], maskable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    chosen = maskable & (choice < CHOSEN)
    if maskable.any() and not chosen.any():
        chosen[np.where(maskable, choice, np.inf).argmin()] = True
    return chosen


def _uniform(ids: NDArray[np.int64], seed: Sequence[int]) -> NDArray[np.float64]:
    """Three numbers from [0, 1) for each token, shape (3, length)."""
    content = hashlib.sha256(ids.astype("<i8").tobytes()).digest()
    # Raw bits: numpy promises the stream of PCG64, not that of Generator's methods.
    source = np.random.PCG64(np.random.SeedSequence([*seed, int.from_bytes(content, "little")]))
    bits = source.random_raw(3 * len(ids)).reshape(3, -1)
    return np.ldexp((bits >> np.uint64(64 - _DOUBLE_BITS)).astype(np.float64), -_DOUBLE_BITS)


@lru_cache(maxsize=4)
def _ordinary(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Ids of all tokens that are not special, in order."""
    return np.setdiff1d(np.arange(vocabulary.size), _special(vocabulary))


def _special(vocabulary: Vocabulary) -> NDArray[np.int64]:
    return np.array(sorted({vocabulary.mask, *vocabulary.special}), dtype=np.int64)
