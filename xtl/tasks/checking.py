"""Whether a whole table keeps to a family's schema, column by column. Torch-free.

The rules are `xtl.tasks.schema.problem`'s; here they are put to whole arrow columns, and only a
table that breaks one is gone through row by row, for the words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xtl.tasks.schema import COLUMNS, SIDES, SPLITS, Kind, problem

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 10_000

ROW = "__row__"
"""The column that numbers a table's rows from 1, until they are checked."""


class BadRowError(Exception):
    """A row that breaks its family's schema, and how."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(f"row {number}: {words}")


def canonical_table(table: pa.Table, family: str, names: Sequence[str] = ()) -> pa.Table:
    """The family's columns in their order and types, then `id` where ids are unique.

    `names` are the task's classes or tags; empty: any will do. Raises BadRowError for the first row
    that breaks the schema.
    """
    given = table
    if "id" in table.column_names:
        table = _texts_of_ids(table)
    for column, kind in COLUMNS[family].items():
        if column not in table.column_names or not _is(table[column], kind):
            raise _first(given, family, names)
    if not _consistent(table, family, names):
        raise _first(given, family, names)
    return _chosen(table, family)


def _texts_of_ids(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    ids = table["id"]
    if not pa.types.is_integer(ids.type):
        return table
    return table.set_column(table.column_names.index("id"), "id", ids.cast(pa.string()))


def _chosen(table: pa.Table, family: str) -> pa.Table:
    import pyarrow as pa

    columns = {name: _cast(table[name], kind) for name, kind in COLUMNS[family].items()}
    if "id" in table.column_names and "id" not in columns and _unique(table["id"]):
        columns["id"] = table["id"].cast(pa.string())
    return pa.table(columns)


def _unique(ids: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return not ids.null_count and pc.count_distinct(ids).as_py() == len(ids)


def _cast(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.list_(pa.string())
    if kind == "text":
        return column.cast(pa.string())
    if kind == "texts":
        return column.cast(texts)
    if kind == "number":
        return column.cast(pa.float64())
    if kind != "answers":
        return column.cast(pa.int64())
    text, start = pc.struct_field(column, "text"), pc.struct_field(column, "answer_start")
    parts = text.cast(texts), start.cast(pa.list_(pa.int32()))
    return pc.make_struct(*parts, field_names=("text", "answer_start"))


def _is(column: pa.ChunkedArray, kind: Kind) -> bool:
    import pyarrow.compute as pc

    if column.null_count or not len(column):
        return not len(column)
    if kind == "text":
        return is_text(column.type)
    if kind == "texts":
        return _is_list(column, is_text)
    if kind == "answers":
        return _are_answers(column)
    if kind == "number":
        return _are_numbers(column)
    return bool(_is_whole(column.type) and pc.min(column).as_py() >= 0)


def is_text(found: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    import pyarrow as pa

    return bool(pa.types.is_string(found) or pa.types.is_large_string(found))


def _is_whole(found: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(found))


def _are_numbers(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    real = pa.types.is_floating(column.type)
    return _is_whole(column.type) or bool(real and pc.all(pc.is_finite(column)).as_py())


def _is_list(column: pa.ChunkedArray, inner: Callable[[pa.DataType], bool]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return False
    entries = pc.list_flatten(column)
    return not len(entries) or (inner(column.type.value_type) and not entries.null_count)


def _are_answers(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_struct(column.type):
        return False
    if {field.name for field in column.type} != {"text", "answer_start"}:
        return False
    text, start = pc.struct_field(column, "text"), pc.struct_field(column, "answer_start")
    if text.null_count or start.null_count:
        return False
    return _is_list(text, is_text) and _is_list(start, _is_whole) and _same_lengths(text, start)


def _same_lengths(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    lengths = pc.equal(pc.list_value_length(one), pc.list_value_length(other))
    return bool(pc.all(lengths, min_count=0).as_py())


def _consistent(table: pa.Table, family: str, names: Sequence[str]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(table):
        return True
    if family == "sentence-pair" and names:
        return bool(pc.max(table["label"]).as_py() < len(names))
    if family == "multiple-choice":
        below = pc.less(table["label"], pc.list_value_length(table["choices"]))
        return bool(pc.all(below).as_py())
    if family == "mining":
        return _minable(table)
    if family != "tagging":
        return True
    known = pc.is_in(pc.unique(pc.list_flatten(table["tags"])), pa.array(list(names), pa.string()))
    listed = not names or bool(pc.all(known, min_count=0).as_py())
    return listed and _same_lengths(table["tokens"], table["tags"])


def _minable(table: pa.Table) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    rules = [
        pc.is_in(table["side"], pa.array(SIDES)),
        pc.is_in(table["split"], pa.array(SPLITS)),
        pc.match_substring_regex(table["id"].cast(pa.string()), r"^[^\pZ\s]+$"),
        pc.or_(pc.equal(table["side"], SIDES[0]), pc.equal(table["match"], "")),
    ]
    return all(pc.all(kept).as_py() for kept in rules)


def _first(table: pa.Table, family: str, names: Sequence[str]) -> BadRowError:
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        for row in batch.to_pylist():
            words = problem(row, family, names)
            if words is not None:
                return BadRowError(row[ROW], words)
    missing = next((name for name in COLUMNS[family] if name not in table.column_names), "")
    words = f"{missing}: found no such column" if missing else "found values of mixed types"
    return BadRowError(1, words)
