"""Which rows of a pool a size stands for: a ranking of the whole pool, and of it the first n.

So counts are exact and a smaller subset is part of every larger one. Rows are ranked by a hash of
(seed, key): their order in the file, the process and other pools have no say in it. A ranking can
keep each label's share (`strata`), or take one whole paragraph after another (`groups`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Digests = NDArray[np.uint8]
"""Shape (rows, 16): a key for each row, small enough to be kept beside the pool."""
Keys = Sequence[str] | Sequence[bytes] | Digests

DIGEST_BYTES = 16
_encode = json.JSONEncoder(sort_keys=True, default=str).encode


def row_digests(rows: Iterable[Mapping[str, Any]]) -> Digests:
    """Of each row's `id` if every row of the pool has one of its own, else of all that it holds.

    So a pool and its translation have the same subsets exactly where both have the same ids, each
    once. Not where a row lacks an id, nor where several tables of one pool share them (a
    translation into German and Russian read together): the whole pool goes by content then, which
    a translation changes. The order of rows has no say in either case. One pass.
    """
    contents, ids = bytearray(), bytearray()
    all_have_one = True
    for row in rows:
        contents += _digest(_encode(row).encode())
        name = row.get("id")
        all_have_one = all_have_one and name is not None
        if all_have_one:
            ids += _digest(f"id\0{name}".encode())
    named = _as_digests(ids)
    return named if all_have_one and _are_unique(named) else _as_digests(contents)


def ranking(
    keys: Keys,
    seed: int,
    *,
    strata: Sequence[int] | Indices | None = None,
    groups: Sequence[str] | Sequence[bytes] | None = None,
) -> Indices:
    """Positions of all rows, best ranked first. Rows with equal keys must be equal rows.

    `strata`, a label for each row: among the first n rows, label l of N_l rows in N stands
    less than one row off n · N_l / N, for every n and l; rows of a label keep their hash's order.
    `groups`, a group's key for each row: groups follow each other in the order of their own
    hashes, with their rows in the order of theirs, so that a prefix cuts one group at most.
    ValueError for both at once, or for another number of them than of keys.
    """
    if strata is not None and groups is not None:
        raise ValueError("a ranking is by strata or by groups, not by both")
    for given in (strata, groups):
        if given is not None and len(given) != len(keys):
            raise ValueError(f"found {len(given)} strata or groups for {len(keys)} keys")
    ranks = _ranks(keys, f"{seed}\0")
    if groups is not None:
        return _order(ranks, _group_ranks(groups, seed))
    return _order(ranks) if strata is None else _stratified(_order(ranks), np.asarray(strata))


def held_out_after(
    ranked: Indices, groups: Sequence[str] | Sequence[bytes], examples: int
) -> Indices:  # fmt: skip
    """What can be tuned on while the ranking's first `examples` rows are trained on.

    The rows after those, in ranked order, whose group has no row among them. What a larger
    training set leaves is part of what a smaller one leaves: the largest's serves for all.
    """
    order = ranked.tolist()
    trained = {groups[place] for place in order[:examples]}
    left = [place for place in order[examples:] if groups[place] not in trained]
    return np.array(left, dtype=np.int64)


def held_out(
    ranked: Indices, groups: Sequence[str] | Sequence[bytes], count: int
) -> Indices:  # fmt: skip
    """What a checkpoint can be chosen by, whatever is trained on of the rest: the last ranked rows,
    by whole groups, `count` at most, in ranked order. A group that has no room is passed over."""
    order, left = ranked.tolist(), count
    sizes, taken = Counter(groups), dict[str | bytes, bool]()
    for place in reversed(order):
        group = groups[place]
        if group not in taken:
            taken[group] = sizes[group] <= left
            left -= sizes[group] * taken[group]
    return np.array([place for place in order if taken[groups[place]]], dtype=np.int64)


def key_bytes(keys: Keys) -> Iterator[bytes]:
    """Each key as bytes, whatever form they came in."""
    if isinstance(keys, np.ndarray):
        width, joined = keys.shape[1], keys.tobytes()
        return (joined[start : start + width] for start in range(0, len(joined), width))
    return (key.encode() if isinstance(key, str) else key for key in keys)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def _as_digests(joined: bytearray) -> Digests:
    return np.frombuffer(bytes(joined), dtype=np.uint8).reshape(-1, DIGEST_BYTES)


def _are_unique(digests: Digests) -> bool:
    halves = digests.view(np.uint64)
    ordered = halves[np.lexsort((halves[:, 1], halves[:, 0]))]
    return not bool((ordered[1:] == ordered[:-1]).all(axis=1).any())


def _ranks(keys: Keys, prefix: str) -> NDArray[np.uint64]:
    """Shape (2, keys): the first 128 bits of each key's hash, the more significant half first."""
    salt = prefix.encode()
    hashes = b"".join([hashlib.sha256(salt + key).digest() for key in key_bytes(keys)])
    return np.frombuffer(hashes, dtype=">u8").reshape(-1, 4)[:, :2].T.astype(np.uint64)


def _group_ranks(groups: Sequence[str] | Sequence[bytes], seed: int) -> NDArray[np.uint64]:
    numbers: dict[str | bytes, int] = {}
    number_of = [numbers.setdefault(group, len(numbers)) for group in groups]
    names = [name.encode() if isinstance(name, str) else name for name in numbers]
    return _ranks(names, f"{seed}\0group\0")[:, np.array(number_of, dtype=np.int64)]


def _order(ranks: NDArray[np.uint64], before: NDArray[np.uint64] | None = None) -> Indices:
    """Positions in the order of `before`, then of `ranks`, then their own."""
    columns = [*ranks[::-1], *(() if before is None else before[::-1])]
    return np.lexsort(columns).astype(np.int64)


def _stratified(order: Indices, strata: NDArray[Any]) -> Indices:
    _, stratum_of, counts = np.unique(strata, return_inverse=True, return_counts=True)
    turns = fair_turns(counts)
    ranked = np.empty_like(order)
    for stratum in range(len(counts)):
        ranked[turns == stratum] = order[stratum_of[order] == stratum]
    return ranked


def fair_turns(counts: Indices) -> Indices:
    """Whose turn it is, k strata of the given sizes taking turns in proportion to them.

    In every prefix each stratum's turns are within 1 - 1/(2k - 2) of its share, the best bound
    there is (Tijdeman, The chairman assignment problem, Discrete Mathematics 32, 1980, whose proof
    says that the turns exist). That bound is an earliest and a latest slot for each turn; the turn
    that must be taken soonest goes first, which meets them all if anything does. Ties go to the
    lower stratum. Integers throughout.
    """
    rows, strata = int(counts.sum()), len(counts)
    if strata < 2:
        return np.zeros(rows, dtype=np.int64)
    parts = 2 * strata - 2
    stratum = np.repeat(np.arange(strata), counts)
    turn = np.arange(rows) - np.repeat(np.cumsum(counts) - counts, counts)
    share = counts[stratum] * parts
    earliest = -(-(turn * parts + 1) * rows // share)
    latest = ((turn + 1) * parts - 1) * rows // share + 1
    arrivals = np.argsort(earliest, kind="stable")
    arrived = np.searchsorted(earliest[arrivals], np.arange(1, rows + 1), side="right")
    urgency = (latest * strata + stratum)[arrivals]
    return _soonest_first(urgency.tolist(), arrived.tolist()) % strata


def _soonest_first(urgency: list[int], arrived: list[int]) -> Indices:
    """In each slot the least of what has arrived and is left; `arrived` counts them by slot."""
    waiting: list[int] = []
    taken: list[int] = []
    known = 0
    for count in arrived:
        for number in urgency[known:count]:
            heappush(waiting, number)
        known = count
        taken.append(heappop(waiting))
    return np.array(taken, dtype=np.int64)


def sampled(rows: int, count: int) -> Indices:
    """`count` of `rows` positions, in order: always the same ones for as many rows, so that a
    sample of a parallel set is parallel too."""
    bits = np.random.PCG64(np.random.SeedSequence(rows)).random_raw(rows)
    places: Indices = np.sort(np.argsort(bits, kind="stable")[:count])
    return places
