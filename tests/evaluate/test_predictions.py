from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from xtl.errors import UserError
from xtl.evaluate.predictions import read_predictions, write_predictions
from xtl.tasks.family import Prediction

written = st.builds(
    Prediction,
    example_id=st.text(max_size=5),
    language=st.sampled_from(["sw", "bn"]),
    text=st.text(max_size=10),
    score=st.floats(allow_nan=False),
    metrics=st.fixed_dictionaries({"f1": st.floats(0, 100), "exact_match": st.just(0.0)}),
)


@given(st.lists(written, min_size=1, max_size=5))
def test_what_is_written_is_read_back(predictions: list[Prediction]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "predictions.parquet")
        write_predictions(path, predictions)
        assert read_predictions(path) == predictions


def test_the_file_has_a_column_for_each_metric_and_nothing_is_left_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, [Prediction("1", "sw", "Kenya", 1.5, {"f1": 50.0})])
    write_predictions(path, [Prediction("1", "sw", "Kenya", 1.5, {"f1": 100.0})])
    table = parquet.read_table(path)
    assert table.to_pylist() == [
        {"example_id": "1", "language": "sw", "text": "Kenya", "score": 1.5, "f1": 100.0}
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["predictions.parquet"]


def test_no_predictions_are_a_file_too(tmp_path: Path) -> None:
    write_predictions(tmp_path / "none.parquet", [])
    assert read_predictions(tmp_path / "none.parquet") == []


def test_a_cut_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, [Prediction("1", "sw", "Kenya", 1.5, {"f1": 50.0})])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"predictions\.parquet: not a readable parquet file"):
        read_predictions(path)


def test_a_file_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a readable parquet file"):
        read_predictions(tmp_path / "none.parquet")


def test_a_table_of_something_else_is_one_clear_line(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["Kenya"]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match=r"columns .*'example_id'.* are missing"):
        read_predictions(tmp_path / "other.parquet")
