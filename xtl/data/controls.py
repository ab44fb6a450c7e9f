"""The shuffled-label control: a pool whose inputs and answers are real but unrelated.

It separates what a task teaches from what more updates on its inputs do. The whole pool is dealt
anew, in an order that its rows' digests give, so that a row has the same label in every subset, and
the order of rows in the file has no say in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from xtl.data.subsets import Indices, Keys, key_bytes, ranking
from xtl.data.words import WORD

Row = Mapping[str, Any]

_SIGN = re.compile(r"\w")


def shuffle_labels(rows: Sequence[Row], digests: Keys, seed: int) -> list[Row]:
    """The rows of a whole pool in their order, each with another's label. Four kinds are known.

    - `context` and `answers` (span QA): the answer becomes a random span of the same context with
      as many words as the first gold one (in scripts without spaces: characters). Kept: contexts,
      questions, which are unanswerable, answers' lengths, edges at those of words. Destroyed: what
      answers have to do with questions, and with it where answers tend to stand and what they
      tend to be (names, dates). Of several gold answers one is left.
    - `tokens` and `tags`: the tags of all words of the pool are dealt anew. Kept: sentences, and
      how often each tag stands in the pool. Destroyed: what tags have to do with words, with each
      other (so B- may follow anything) and with their sentence.
    - `choices` (a list) and `label`: labels are dealt among the rows with as many choices. Kept:
      how often each place is the right one. Destroyed: which choice is right.
    - `label`: labels are dealt anew. Kept: inputs and how often each label stands in the pool.
      Destroyed: what labels have to do with inputs, but for chance: a row may draw its own.

    `digests` are those of the rows as they were (`row_digests`). ValueError for other columns, or
    for another number of digests than of rows.
    """
    if len(rows) != len(digests):
        raise ValueError(f"found {len(digests)} digests for {len(rows)} rows")
    return _control_of(rows[0])(rows, digests, seed) if rows else []


def _control_of(row: Row) -> Callable[[Sequence[Row], Keys, int], list[Row]]:
    if {"context", "answers"} <= row.keys():
        return _random_spans
    if {"tokens", "tags"} <= row.keys():
        return _dealt_tags
    if "label" in row:
        return _dealt_labels
    raise ValueError(
        f"found columns {', '.join(row)}, expected context and answers, tokens and tags, or label"
    )


def _dealt_labels(rows: Sequence[Row], digests: Keys, seed: int) -> list[Row]:
    order = ranking(digests, seed).tolist()
    # Rows that list no choices are one pool: they have the task's classes to choose from.
    pools = np.array([len(rows[place].get("choices", ())) for place in order], dtype=np.int64)
    labels = _dealt([rows[place]["label"] for place in order], pools, seed)
    dealt = dict(zip(order, labels, strict=True))
    return [{**row, "label": dealt[place]} for place, row in enumerate(rows)]


def _dealt_tags(rows: Sequence[Row], digests: Keys, seed: int) -> list[Row]:
    order = ranking(digests, seed).tolist()
    tags = [tag for place in order for tag in rows[place]["tags"]]
    left = iter(_dealt(tags, np.zeros(len(tags), dtype=np.int64), seed))
    dealt = {place: [next(left) for _ in rows[place]["tags"]] for place in order}
    return [{**row, "tags": dealt[place]} for place, row in enumerate(rows)]


def _dealt(values: Sequence[Any], pools: Indices, seed: int) -> list[Any]:
    """A random permutation of the values within each pool; `pools` says whose each is."""
    # Ranked raw bits: numpy promises the stream of PCG64, not that of Generator.permutation.
    bits = np.random.PCG64(_draw(seed, b"")).random_raw(len(values))
    givers, takers = np.lexsort((bits, pools)), np.argsort(pools, kind="stable")
    giver_of = np.empty_like(givers)
    giver_of[takers] = givers
    return [values[giver] for giver in giver_of.tolist()]


def _random_spans(rows: Sequence[Row], digests: Keys, seed: int) -> list[Row]:
    keys = key_bytes(digests)
    return [_with_random_span(row, _draw(seed, key)) for row, key in zip(rows, keys, strict=True)]


def _with_random_span(row: Row, draw: int) -> Row:
    golds, words = row["answers"]["text"], _word_spans(row["context"])
    if not golds or not words:
        return row
    length = min(max(1, len(_word_spans(golds[0]))), len(words))
    first = draw % (len(words) - length + 1)
    start, end = words[first][0], words[first + length - 1][1]
    answers = {"text": [row["context"][start:end]], "answer_start": [start]}
    return {**row, "answers": answers}


@lru_cache(maxsize=64)  # a paragraph's questions follow each other
def _word_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Of words with a letter or a digit: no answer is a dash alone."""
    return tuple(word.span() for word in WORD.finditer(text) if _SIGN.search(word.group()))


def _draw(seed: int, key: bytes) -> int:
    """A random number of 128 bits, the seed's own for this key."""
    return int.from_bytes(hashlib.sha256(f"shuffled\0{seed}\0".encode() + key).digest()[:16])
