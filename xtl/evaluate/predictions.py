"""Predictions on disk: one parquet file beside the result, one row an example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xtl.errors import UserError
from xtl.files import write_by
from xtl.tasks.family import Prediction

COLUMNS = ("example_id", "language", "text", "score")
"""The columns before the metrics; score is the family's own (a margin, a cosine)."""


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Whole or not at all. All predictions have the metrics that the first one has."""
    import pyarrow as pa
    from pyarrow import parquet

    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(each, name) for each in predictions], type())
        for name, type in zip(COLUMNS, (pa.string, pa.string, pa.string, pa.float64), strict=True)
    }
    for name in predictions[0].metrics if predictions else ():
        columns[name] = pa.array([each.metrics[name] for each in predictions], pa.float64())
    table = pa.table(columns)
    write_by(path, lambda staged: parquet.write_table(table, staged, compression="zstd"))


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
