"""A form put on a loaded table: columns renamed and made, the language's part taken, labels made
class numbers and tags names, unlabelled rows left out. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError
from xtl.tasks.checking import ROW, BadRowError, is_text
from xtl.tasks.entries import DatasetRef
from xtl.tasks.forms import Form
from xtl.tasks.repairs import UNLABELLED, UNLABELLED_VALUES
from xtl.tasks.schema import COLUMNS

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa


_BATCH_ROWS = 10_000
_SHOWN = 20
_WHOLE = re.compile(r"-?[0-9]{1,18}")  # no more than 64 bits hold


def shaped(
    rows: datasets.Dataset, form: Form, names: tuple[str, ...], ref: DatasetRef
) -> tuple[pa.Table, dict[str, int]]:
    """The canonical columns that the set has, and each row's number in a column `ROW`.

    `names` are the task's classes or tags. Types are not checked yet.
    """
    loaded = rows.data.table
    table = _part(_numbered(loaded), form, ref)
    own_names = _class_names(rows, form)
    table = _columns(table, form)
    if "label" in table.column_names:
        return _classes(table, own_names, names or own_names)
    if "tags" in table.column_names:
        return _tagged(table, own_names)
    return table, {}


def _numbered(table: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    return table.append_column(ROW, pa.array(np.arange(1, len(table) + 1)))


def _part(table: pa.Table, form: Form, ref: DatasetRef) -> pa.Table:
    """The rows of one language, of a table with several."""
    import pyarrow.compute as pc

    if not ref.part or not form.part:
        return table
    if form.part not in table.column_names or not is_text(table[form.part].type):
        raise BadRowError(1, f"{form.part}: found nothing, expected text that names a language")
    found = table[form.part]
    if form.until:
        found = pc.list_element(pc.split_pattern(found, form.until, max_splits=1), 0)
    taken = table.filter(pc.equal(found, ref.part))
    if len(taken):
        return taken
    raise UserError(
        f"{ref.repo}: {ref.config}/{ref.split}: found no rows of {ref.part}, "
        f"expected one of {_listed(pc.unique(found).to_pylist())}"
    )


def _listed(parts: Iterable[object]) -> str:
    """On one line whatever they hold, and not all of them where they are no languages."""
    names = [" ".join(part.split()) for part in parts if isinstance(part, str)]
    named = sorted(name for name in names if name)
    shown = ", ".join(named[:_SHOWN]) or "none"
    return shown if len(named) <= _SHOWN else f"{shown}, … ({len(named):,} in all)"


def _class_names(rows: datasets.Dataset, form: Form) -> tuple[str, ...]:
    """What the set's own numbers stand for: as its features say, else as the form does."""
    for column in ("label", "tags"):
        feature = rows.features.get(form.source(column))
        names = getattr(getattr(feature, "feature", feature), "names", None)
        if names:
            return tuple(names)
    return form.labels


def _columns(table: pa.Table, form: Form) -> pa.Table:
    import pyarrow as pa

    made = _made(table, form)
    columns = {ROW: table[ROW]}
    for name in COLUMNS[form.family]:
        if name in made:
            columns[name] = made[name]
        elif form.source(name) in table.column_names:
            columns[name] = table[form.source(name)]
    if form.id in table.column_names:
        columns.setdefault("id", table[form.id])
    return pa.table(columns)


def _made(table: pa.Table, form: Form) -> dict[str, Any]:
    """The columns that the form makes row by row."""
    if form.row is None or not len(table):
        return {}
    rows = []
    for row in chain.from_iterable(map(_plain, table.to_batches(max_chunksize=_BATCH_ROWS))):
        try:
            rows.append(form.row(row))
        except (KeyError, TypeError, AttributeError) as error:
            raise BadRowError(row[ROW], _lacking(row, error)) from error
    return {name: [row[name] for row in rows] for name in rows[0]}


def _plain(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = batch.to_pylist()
    return rows


def _lacking(row: dict[str, Any], error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]}: found nothing, expected a column of that name"
    empty = next((name for name, value in row.items() if value is None), "columns")
    return f"{empty}: found nothing that can be read, expected the set's own layout"


def _classes(
    table: pa.Table, own: Sequence[str], names: Sequence[str]
) -> tuple[pa.Table, dict[str, int]]:
    """Labels as class numbers, whatever they were; rows without one left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(table["label"].type):
        return table, {}  # no label at all: the check says so
    coded = pc.dictionary_encode(table["label"], null_encoding="encode").combine_chunks()
    numbers = [class_number(value, own, names) for value in coded.dictionary.to_pylist()]
    for at, number in enumerate(numbers):
        if number not in UNLABELLED_VALUES and not _is_number(number):
            first = pc.index(coded.indices, at).as_py()
            raise BadRowError(table[ROW][first].as_py(), _refused(number, names))
    kept = [None if number in UNLABELLED_VALUES else number for number in numbers]
    labels = pa.array(kept, pa.int64()).take(coded.indices)
    table = table.set_column(table.column_names.index("label"), "label", labels)
    left = labels.null_count
    return table.filter(pc.is_valid(labels)), {UNLABELLED: left} if left else {}


def class_number(value: object, own: Sequence[str], names: Sequence[str]) -> object:
    """The task's number of a label that is a name, a number of the set's, or a number as text.

    `own` are the set's names in its order, `names` the task's in its own. What is no label of
    either comes back as it is, by its name where the set has one for it.
    """
    if value in UNLABELLED_VALUES or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str) and value in names:
        return names.index(value)
    number = _whole(value)
    if number is None:
        return value
    name = own[number] if 0 <= number < len(own) else str(number)
    return names.index(name) if name in names else _whole_or(name)


def _whole_or(name: str) -> int | str:
    number = _whole(name)
    return name if number is None else number


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if _WHOLE.fullmatch(text) else None


def _is_number(value: object) -> bool:
    return type(value) is int and _whole(value) is not None


def _refused(label: object, names: Sequence[str]) -> str:
    listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
    expected = f"one of {listed}" if names else "a class number"
    return f"label: found {label!r:.60}, expected {expected}"


def _tagged(table: pa.Table, own: Sequence[str]) -> tuple[pa.Table, dict[str, int]]:
    """Tags by name, and rows of tokens without any tag left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    tags = table["tags"].combine_chunks()
    if not pa.types.is_list(tags.type) or "tokens" not in table.column_names:
        return table, {}
    if pa.types.is_integer(tags.type.value_type):
        table = _named(table, tags, own)
    lengths = pc.fill_null(pc.list_value_length(table["tags"]), 0)
    words = pc.fill_null(pc.list_value_length(table["tokens"]), 0)
    bare = pc.and_(pc.equal(lengths, 0), pc.greater(words, 0))
    left = pc.sum(bare).as_py() or 0
    return table.filter(pc.invert(bare)), {UNLABELLED: left} if left else {}


def _named(table: pa.Table, tags: pa.ListArray, own: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.list_flatten(tags)
    outside = pc.or_(pc.less(numbers, 0), pc.greater_equal(numbers, len(own)))
    if pc.any(outside).as_py():
        raise _beyond(table, own)
    named = pa.array(list(own), pa.string()).take(numbers)
    made = pa.ListArray.from_arrays(_offsets(tags), named)
    return table.set_column(table.column_names.index("tags"), "tags", made)


def _offsets(tags: pa.ListArray) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(tags), 0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())


def _beyond(table: pa.Table, own: Iterable[str]) -> BadRowError:
    names = list(own)
    for number, tags in zip(table[ROW].to_pylist(), table["tags"].to_pylist(), strict=True):
        for tag in tags or []:
            if not 0 <= tag < len(names):
                words = f"tags: found {tag}, expected one of {len(names)} tags from 0"
                return BadRowError(number, words)
    raise AssertionError("a tag is beyond the set's, and none is")
