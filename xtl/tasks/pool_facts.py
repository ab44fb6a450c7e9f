"""What the subsets of a pool go by, kept beside its tokens: digests, classes, paragraphs. No torch.

Some bytes a row are held, whatever the rows' length: rows pass by, a chunk at a time.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from xtl.data.subsets import DIGEST_BYTES, row_digests
from xtl.tasks.family import Row
from xtl.tasks.pool_arrays import Ints
from xtl.tasks.schema import COLUMNS


def facts_of(chunks: Iterable[Sequence[Row]], family: str) -> dict[str, Ints]:
    """Arrays `digests` (rows, 16), `strata` (rows) or none, and `groups` (rows, 16) or none.

    Of the rows as they are: a control with other labels draws the same. Strata are the numbers of
    classes, groups the digests of contexts.
    """
    columns = COLUMNS[family]
    label = next((name for name, kind in columns.items() if kind == "class"), "")
    strata, groups = array("i"), bytearray()

    def noted() -> Iterator[Row]:
        for row in chain.from_iterable(chunks):
            if label:
                strata.append(row[label])
            if "context" in columns:
                groups.extend(_digest(str(row["context"])))
            yield row

    return {
        "digests": row_digests(noted()),
        "strata": np.array(strata, dtype=np.int32),
        "groups": np.frombuffer(bytes(groups), dtype=np.uint8).reshape(-1, DIGEST_BYTES),
    }


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES]
