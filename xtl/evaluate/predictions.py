"""Predictions on disk: one parquet file beside the result, one row an example."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from xtl.errors import UserError
from xtl.tasks.family import Prediction

COLUMNS = ("example_id", "language", "text", "score")
"""The columns before the metrics; score is the family's own (a margin, a cosine)."""


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Whole or not at all: a temporary name beside it, fsync, rename."""
    import pyarrow as pa
    from pyarrow import parquet

    names = list(predictions[0].metrics) if predictions else []
    columns: dict[str, pa.Array] = {
        "example_id": pa.array([each.example_id for each in predictions], pa.string()),
        "language": pa.array([each.language for each in predictions], pa.string()),
        "text": pa.array([each.text for each in predictions], pa.string()),
        "score": pa.array([each.score for each in predictions], pa.float64()),
    }
    for name in names:
        columns[name] = pa.array([each.metrics[name] for each in predictions], pa.float64())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        parquet.write_table(pa.table(columns), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_predictions(path: Path) -> list[Prediction]:
    """As they were written. Raises UserError for a file that is missing or is something else."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a readable parquet file ({error})") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise UserError(f"{path}: columns {missing} are missing; expected {list(COLUMNS)}")
    return [
        Prediction(**{name: row.pop(name) for name in COLUMNS}, metrics=row)
        for row in table.to_pylist()
    ]
