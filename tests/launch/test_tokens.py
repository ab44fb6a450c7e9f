"""Rows out of the mirror are held against the lock before anything is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.tokens import Rows
from xtl.sweep.shard import Table
from xtl.tasks.entries import DatasetRef
from xtl.tasks.tables import content_hash, read_table

QUESTION = {"question": "Which?", "answers": {"text": ["Oslo"], "answer_start": [0]}}


def write(folder: Path, *contexts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"id": str(number), "context": text} | QUESTION for number, text in enumerate(contexts)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Two rows, as they are locked; the second has no answer in its context."""
    folder = tmp_path / "few" / "rows" / "1"
    write(folder, "Oslo is in Norway.", "Lima is in Peru.")
    ref = DatasetRef("few/rows", "default", "train", "squad")
    rows = read_table(folder, ref, trained=True).rows
    return Table(
        repo=ref.repo, revision="1", config=ref.config, split=ref.split, form=ref.form,
        rows=len(rows), content=content_hash(rows),
    )  # fmt: skip


def test_what_is_trained_on_is_read_as_it_is_locked(table: Table, tmp_path: Path) -> None:
    rows = Rows((table, table), (), trained=True).read(Mirror(tmp_path))
    assert rows["context"][:] == ["Oslo is in Norway."] * 2


def test_rows_that_changed_since_they_were_locked_are_refused(table: Table, tmp_path: Path) -> None:
    write(tmp_path / "few" / "rows" / "1", "Oslo is not in Peru.")
    with pytest.raises(UserError, match=r"default/train: found content .* as it is locked"):
        Rows((table,), (), trained=True).read(Mirror(tmp_path))
