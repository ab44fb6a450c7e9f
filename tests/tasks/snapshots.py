"""Small data sets of our own writing, in the layouts of the hub's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xtl.tasks.entries import DatasetRef
from xtl.tasks.tables import TableRows, read_table

Rows = Sequence[dict[str, Any]]


def write(folder: Path, rows: Rows, config: str = "set", split: str = "train") -> None:
    path = folder / config / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def read(
    folder: Path,
    rows: Rows,
    form: str,
    labels: Sequence[str] = (),
    config: str = "set",
    split: str = "train",
    part: str = "",
    *,
    trained: bool = False,
) -> TableRows:
    """The rows, written and read again by a form."""
    write(folder, rows, config, split)
    ref = DatasetRef("our/set", config, split, form, part)
    return read_table(folder, ref, labels, trained=trained)
