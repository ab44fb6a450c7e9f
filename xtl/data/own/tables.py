"""Records of CSV, TSV and parquet files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from xtl.data.own.text import fault, lines

LONGEST_FIELD = 2**24  # characters: articles fit, and a quote that is never closed is noticed
_BATCH_ROWS = 1000
_TAB = "\t"

Cells = tuple[int, list[str]]
"""The number of a row's first line, and its fields."""


def read_delimited(
    path: Path, delimiter: str, *, header: bool, quoted: bool
) -> Iterator[tuple[str, dict[Any, str | None]]]:
    """(line, record) of each row; an empty field is None.

    Columns are named by the first row, or without a `header` numbered from 0. Fields are quoted
    as Python's csv module has it, or, not `quoted`, a quote is a character like any other.
    """
    rows = _rows(path, delimiter, quoted)
    first = next(rows, None)
    if first is None:
        return
    columns = _names(path, *first) if header else list(range(len(first[1])))
    if not header:
        yield f"line {first[0]}", _record(columns, first[1])
    for line, cells in rows:
        if len(cells) != len(columns):
            whose = "the header" if header else "the first row"
            found = f"found {len(cells)} fields, expected {len(columns)} as in {whose}"
            raise fault(path, f"line {line}", found)
        yield f"line {line}", _record(columns, cells)


def read_parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(row, record) of each row, numbered from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(_BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except (pa.ArrowException, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        place = f"after row {number}" if number else ""
        found = f"cannot be read ({first}), expected a whole parquet file"
        raise fault(path, place, found) from error


def _rows(path: Path, delimiter: str, quoted: bool) -> Iterator[Cells]:
    csv.field_size_limit(LONGEST_FIELD)
    text = (line for _, line in lines(path))
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(text, delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise fault(path, f"line {line}", _said(error, delimiter)) from error
        if cells is None:
            return
        if cells:
            yield line, cells


def _said(error: csv.Error, delimiter: str) -> str:
    hint = ""
    if delimiter == _TAB:
        hint = " (`format: tsv-unquoted` takes a quote as a character like any other)"
    if str(error) == "unexpected end of data":
        return f"found a quote that is never closed, expected another before the end{hint}"
    if "field larger than" in str(error):
        return f"found a field of over {LONGEST_FIELD:,} characters, expected a closing quote{hint}"
    return f"found fields that cannot be told apart ({error}){hint}"


def _names(path: Path, line: int, names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            found = f"column {name}: found it {names.count(name)} times, expected each name once"
            raise fault(path, f"line {line}", found)
    return names


def _record(columns: list[Any], cells: list[str]) -> dict[Any, str | None]:
    return {column: cell or None for column, cell in zip(columns, cells, strict=True)}
