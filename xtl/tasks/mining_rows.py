"""Rows to be mined: made of gold pairs and two pools, checked as a whole, and, where there is one
split alone, cut into two. Torch-free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl.data.loading import in_memory
from xtl.errors import UserError
from xtl.tasks.checking import BadRowError
from xtl.tasks.schema import SIDES, SPLITS

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from xtl.tasks.entries import DatasetRef

FOREIGN, ENGLISH = SIDES
DEV, TEST = SPLITS


def halved(split: str) -> str:
    """The fault of a table that has only `split`: a threshold must not be tuned where it scores."""
    return (
        f"{split} alone, cut in halves: the threshold is tuned on one, the other is scored, which "
        "is not XTREME's figure"
    )


def pooled(
    gold: datasets.Dataset, foreign: datasets.Dataset, english: datasets.Dataset
) -> datasets.Dataset:
    """The family's rows out of columns `source_id` and `target_id`, and `id` and `sentence` of
    each pool, as one split. BadRowError for a pair whose sentence no pool has."""
    import pyarrow as pa

    matches: dict[str, list[str]] = {}
    ours, theirs = _sentences(foreign), _sentences(english)
    pairs = zip(_column(gold, "source_id"), _column(gold, "target_id"), strict=True)
    for number, (one, other) in enumerate(pairs, 1):
        if one not in ours:
            raise BadRowError(number, f"source_id: found {one!r}, expected one of the foreign pool")
        if other not in theirs:
            raise BadRowError(number, f"target_id: found {other!r}, expected one of the English")
        matches.setdefault(one, []).append(other)
    rows = [_row(key, text, FOREIGN, " ".join(matches.get(key, ()))) for key, text in ours.items()]
    rows += [_row(key, text, ENGLISH) for key, text in theirs.items()]
    return in_memory(pa.Table.from_pylist(rows))


def _sentences(pool: datasets.Dataset) -> dict[str, str]:
    return dict(zip(_column(pool, "id"), _column(pool, "sentence"), strict=True))


def _column(rows: datasets.Dataset, name: str) -> list[Any]:
    if name not in rows.column_names:
        has = ", ".join(rows.column_names)
        raise BadRowError(1, f"{name}: found no such column, expected it beside {has}")
    return list(rows[name])


def _row(key: str, text: str, side: str, match: str = "") -> dict[str, str]:
    return {"id": key, "text": text, "side": side, "split": DEV, "match": match}


def whole_pools(table: pa.Table, ref: DatasetRef, trained: bool) -> tuple[pa.Table, dict[str, int]]:
    """The table with both splits. BadRowError for an id that two rows have and for a match that is
    no English sentence of its split; UserError where a split lacks a side, or any gold pair."""
    rows = table.select(("id", "side", "split", "match")).to_pylist()
    _require_unique(rows)
    _require_matches(rows)
    faults: dict[str, int] = {}
    there = {row["split"] for row in rows}
    if len(there) == 1:
        faults[halved(*there)] = len(rows)
        table, rows = _cut(table, rows)
    for split in SPLITS:
        _require_pools(ref, split, [row for row in rows if row["split"] == split])
    return table, faults


def _require_unique(rows: Sequence[Mapping[str, str]]) -> None:
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        if row["id"] in seen:
            raise BadRowError(number, f"id: found {row['id']!r} again, expected each once")
        seen.add(row["id"])


def _require_matches(rows: Sequence[Mapping[str, str]]) -> None:
    english = {(row["split"], row["id"]) for row in rows if row["side"] == ENGLISH}
    for number, row in enumerate(rows, 1):
        for other in row["match"].split():
            if (row["split"], other) not in english:
                expected = f"expected the id of an English sentence of {row['split']}"
                raise BadRowError(number, f"match: found {other!r}, {expected}")


def _require_pools(ref: DatasetRef, split: str, rows: Sequence[Mapping[str, str]]) -> None:
    lacking = [side for side in SIDES if all(row["side"] != side for row in rows)]
    if not any(row["match"] for row in rows):
        lacking.append("gold")
    if lacking:
        words = {FOREIGN: "foreign sentence", ENGLISH: "English sentence", "gold": "gold pair"}
        raise UserError(
            f"{ref.repo}: {ref.config}/{ref.split}: {split}: found no {words[lacking[0]]}, "
            "expected two pools and gold pairs of them in either split"
        )


def _cut(
    table: pa.Table, rows: Sequence[Mapping[str, str]]
) -> tuple[pa.Table, list[dict[str, str]]]:
    """Each sentence in the half that a hash of its id says, and pairs in that of one of theirs."""
    import pyarrow as pa

    linked = _linked(rows)
    splits = [SPLITS[_bit(linked.get(row["id"], row["id"]))] for row in rows]
    cut = table.set_column(table.column_names.index("split"), "split", pa.array(splits))
    return cut, [{**row, "split": split} for row, split in zip(rows, splits, strict=True)]


def _linked(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """For each sentence in gold pairs the least id of all that hang together by them."""
    least: dict[str, str] = {}
    for one, other in _pairs(rows):
        ends = sorted((_end(least, one), _end(least, other)))
        least[ends[1]] = ends[0]
    return {key: _end(least, key) for key in least}


def _end(least: Mapping[str, str], key: str) -> str:
    while least.get(key, key) != key:
        key = least[key]
    return key


def _pairs(rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        yield from ((row["id"], other) for other in row["match"].split())


def _bit(key: str) -> int:
    return hashlib.sha256(key.encode()).digest()[0] & 1
