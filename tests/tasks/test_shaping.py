"""Labels of any kind become class numbers, or are one clear line."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tasks.snapshots import read
from xtl.errors import UserError
from xtl.tasks.entries import DatasetRef
from xtl.tasks.repairs import UNLABELLED_VALUES
from xtl.tasks.shaping import class_number
from xtl.tasks.tables import read_table

NLI = ("entailment", "neutral", "contradiction")

numerals = st.from_regex(r"[-+]*[0-9]{1,30}", fullmatch=True) | st.sampled_from(
    ["--1", "-", "9" * 5000, str(2**63), str(2**64), "٣", "1_0", " 1", "-0"]
)
texts = st.text(st.characters(codec="utf-8"), max_size=6) | numerals


@given(texts | st.integers(), st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_any_text_or_number_is_a_class_or_stays_what_it_is(
    label: object, own: list[str], names: list[str]
) -> None:
    found = class_number(label, own, names)
    assert found == label or isinstance(found, int) or found in own
    if label in names and label not in UNLABELLED_VALUES:
        assert found == names.index(str(label))


@settings(max_examples=60, deadline=None)
@given(texts | st.integers(-(2**63), 2**63 - 1), st.sampled_from([(), NLI]))
def test_a_table_with_any_label_is_read_or_refused_in_one_line(
    label: object, names: tuple[str, ...]
) -> None:
    row = {"sentence1": "It rains.", "sentence2": "It is dry.", "label": label}
    found, said = [], ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read(Path(folder), [row], "own:sentence-pair", names).rows["label"][:]
        except UserError as error:
            said = str(error)
    if said:
        assert len(said.splitlines()) == 1
        assert "row 1: label: found" in said
        assert len(said) < 300
    else:
        assert found or label in UNLABELLED_VALUES


@pytest.mark.parametrize("label", ["--1", "9" * 5000, str(2**63), 2**63 - 1])
@pytest.mark.parametrize("names", [(), NLI])
def test_what_looks_like_a_number_and_is_no_class_is_refused(
    tmp_path: Path, label: object, names: tuple[str, ...]
) -> None:
    row = {"sentence1": "It rains.", "sentence2": "It is dry.", "label": label}
    with pytest.raises(UserError, match=r"set/train: row 1: label: found .*, expected (one|a)"):
        read(tmp_path, [row], "own:sentence-pair", names)


def test_a_number_that_64_bits_with_a_sign_do_not_hold_is_refused(tmp_path: Path) -> None:
    rows = [{"sentence1": "It rains.", "sentence2": "It is dry."}]
    table = pa.Table.from_pylist(rows).append_column("label", pa.array([2**64 - 1], pa.uint64()))
    (tmp_path / "set").mkdir()
    pq.write_table(table, tmp_path / "set" / "train-00000-of-00001.parquet")
    with pytest.raises(UserError, match="row 1: label: found 18446744073709551615, expected a cl"):
        read_table(tmp_path, DatasetRef("our/set", "set", "train", "own:sentence-pair"))
