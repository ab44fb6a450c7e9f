"""A user's own files in place of a data set: how they become a snapshot of the mirror.

Each file is read row by row into a parquet file in the family's columns; what is wrong in it is
found there, so a snapshot holds nothing that the family cannot use. Torch-free.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.data.own.records import Format, files_of, format_of
from xtl.data.own.text import fault, require_file
from xtl.tasks.own_columns import Columns, checked
from xtl.tasks.own_rows import OwnRows
from xtl.tasks.schema import COLUMNS, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from xtl.data.hub import Report
    from xtl.data.sources import Source
    from xtl.tasks.family import Row


SPLIT = "data"
"""The one split of each config."""

VERSION = 2  # raise it when the same file would give other rows
_BATCH_ROWS = 2000
_REPORTED_ROWS = 100 * _BATCH_ROWS


def own_source(
    name: str,
    files: Mapping[str, Path],
    format: Format,
    columns: Columns,
    family: str,
    labels: Sequence[str],
    report: Report,
) -> Source:
    """What the mirror is filled with from a path for each config (a language, or `default`).

    The recipe is what the files' sizes and times say, and how they are read. UserError where a
    file is missing or the column map is not of this family; filling raises it where a record is
    wrong, or where a file changes meanwhile. `report` takes one line a step.
    """
    import pyarrow as pa

    from xtl.data.sources import Source

    for path in files.values():
        for file in files_of(path, format):
            require_file(file)
        checked(path, columns, family, format_of(path, format))
    listing = {config: _statuses(path, format) for config, path in files.items()}

    def fill(staged: Path) -> None:
        build_own(staged, files, format, columns, family, labels, report)
        for config, path in files.items():
            if _statuses(path, format) != listing[config]:
                raise fault(path, "", "changed while it was read, expected it to stay: run again")

    recipe = {
        "own": name,
        "version": VERSION,
        "files": listing,
        "format": format,
        "columns": {key: _plain(column) for key, column in columns.items()},
        "family": family,
        "labels": list(labels),
        "pyarrow": pa.__version__,
    }
    return Source(recipe, fill)


def build_own(
    staged: Path,
    files: Mapping[str, Path],
    format: Format,
    columns: Columns,
    family: str,
    labels: Sequence[str],
    report: Report,
) -> None:
    """Write a config for each file into the empty folder `staged`, and a README that lists them.

    The same rows give the same bytes, whatever files and formats they came from.
    """
    for config, path in sorted(files.items()):
        report(f"reading {path}")
        rows = OwnRows(path, family, format, columns, labels)
        (staged / config).mkdir(parents=True)
        count = _write(staged / config / f"{SPLIT}-00000-of-00001.parquet", rows, report)
        report(f"{path}: {count:,} rows")
        if rows.moved:
            report(f"{path}: {rows.moved:,} answers moved to their nearest place in the context")
    (staged / "README.md").write_text(_card(sorted(files), family), encoding="utf-8")


def _write(target: Path, rows: OwnRows, report: Report) -> int:
    """Write rows in batches, so that memory does not grow with the file; how many there were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, left = 0, iter(rows)
    batch = list(islice(left, _BATCH_ROWS))
    schema = _schema(rows.family, batch)
    with pq.ParquetWriter(target, schema) as writer:
        while batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
            if count % _REPORTED_ROWS == 0:
                report(f"{rows.path}: {count:,} rows so far")
            batch = list(islice(left, _BATCH_ROWS))
    return count


def _schema(family: str, rows: Sequence[Row]) -> pa.Schema:
    """The family's columns in their order; then `id`, of a family without, where rows have it."""
    import pyarrow as pa

    texts = pa.list_(pa.string())
    types: dict[Kind, Any] = {
        "text": pa.string(),
        "texts": texts,
        "class": pa.int64(),
        "choice": pa.int64(),
        "number": pa.float64(),
        "answers": pa.struct({"text": texts, "answer_start": pa.list_(pa.int32())}),
    }
    kinds: dict[str, Kind] = dict(COLUMNS[family])
    if rows and "id" in rows[0]:
        kinds.setdefault("id", "text")
    return pa.schema({name: types[kind] for name, kind in kinds.items()})


def _card(configs: Sequence[str], family: str) -> str:
    """A README in the hub's layout. It names no file: equal rows are equal snapshots."""
    return "\n".join(["---", "configs:", *_listed(configs), "---", f"# Rows of {family}", ""])


def _listed(configs: Sequence[str]) -> Iterator[str]:
    for config in configs:
        yield f"- config_name: {json.dumps(config)}"  # quoted, as YAML takes `no` for a boolean
        yield "  data_files:"
        yield f"  - split: {SPLIT}"
        yield f"    path: {json.dumps(f'{config}/{SPLIT}-*')}"


def _statuses(path: Path, format: Format) -> list[list[str | int]]:
    return [_status(file) for file in files_of(path, format)]


def _status(path: Path) -> list[str | int]:
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def _plain(column: Any) -> Any:
    return column if isinstance(column, (str, int)) else list(column)
