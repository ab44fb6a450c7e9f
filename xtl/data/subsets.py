"""Which rows of a pool a size stands for. Nested, and independent of the rows' order.

Rows are ranked by a hash of (seed, key) and the first n taken: 10% is part of 30%, and a data set
whose rows were shuffled, or a row of which was dropped, gives (almost) the same subset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datasets import Dataset

Indices = NDArray[np.int64]


def subset(keys: Sequence[str], examples: int, seed: int) -> Indices:
    """Positions of the chosen rows, best ranked first, so that a smaller subset is a prefix.

    Rows with equal keys keep their order, which is harmless where such rows are equal.
    Raises ValueError if there are fewer keys than `examples`, or if that is negative.
    """
    if not 0 <= examples <= len(keys):
        raise ValueError(f"found {examples} examples of a pool of {len(keys)} rows")
    ranks = [hashlib.sha256(f"{seed}\0{key}".encode()).digest() for key in keys]
    order = sorted(range(len(keys)), key=ranks.__getitem__)
    return np.array(order[:examples], dtype=np.int64)


def row_keys(rows: Dataset) -> list[str]:
    """A key for each row: its `id` where ids are unique, else a hash of its content."""
    if "id" in rows.column_names:
        ids = [str(key) for key in rows["id"]]
        if len(set(ids)) == len(ids):
            return ids
    return [_content_key(row) for row in rows.to_list()]


def _content_key(row: object) -> str:
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
