"""Rows out of the mirror are held against the lock before anything is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import tokenizer_into
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.tokens import Rows, Tokens
from xtl.sweep.plan import Plan
from xtl.sweep.shard import ModelRef, Part, Selection, Shard, Table, TrainSpec
from xtl.tasks.entries import DatasetRef
from xtl.tasks.pools import Pool
from xtl.tasks.settings import Recipe
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


TAGGED = [
    {"tokens": ["Oslo", "sleeps"], "tags": ["N", "S\\NP"]},
    {"tokens": ["Lima", "too"], "tags": ["N", "unheard"]},
]


def lines(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def locked_as(tmp_path: Path, ref: DatasetRef, labels: tuple[str, ...], *, trained: bool) -> Table:
    """The table as `prepare` locks it, for the use that it has."""
    rows = read_table(tmp_path / ref.repo / "1", ref, labels, trained=trained).rows
    return Table(
        repo=ref.repo, revision="1", config=ref.config, split=ref.split, form=ref.form,
        rows=len(rows), content=content_hash(rows),
    )  # fmt: skip


def opened(tmp_path: Path, training: Part, *reported: Part) -> tuple[tuple[Pool, ...], list[str]]:
    """The pools that an oracle of a planned training reads, and all that were tokenised for it."""
    model = tmp_path / "model"
    model.mkdir()
    tokenizer_into(model)
    spec = TrainSpec(
        parts=(training,), model=ModelRef(repo="few/model", revision="1", fingerprint="f"),
        parent=None, subset_seed=1, updates=4, freeze=(), precision="fp32", seed=1,
        recipe=Recipe(batch_size=2, learning_rate=1e-3, max_length=32, doc_stride=16),
        selection=Selection(evaluations=2, reported=reported),
    )  # fmt: skip
    shard = Shard(id="t", stage="target", name="t", spec=spec)
    plan = Plan("few", True, "all", {"t": shard}, (), 1)
    tokens, said = Tokens(Mirror(tmp_path), model), list[str]()
    tokens.ensure(plan, 1, said.append)
    assert not tokens.missing(plan)
    return tokens.open_reported(spec), said


def test_what_an_oracle_reads_is_tokenised_with_labels_before_anything_is_submitted(
    tmp_path: Path,
) -> None:
    """Read as it is evaluated, an answer that its context lacks and all: as such it is locked."""
    write(tmp_path / "few" / "rows" / "1", "Oslo is in Norway.", "Lima is in Peru.")
    ref = DatasetRef("few/rows", "default", "train", "squad")
    part = Part(task="lookup-qa", family="span-qa", data=(), examples=1)
    uses = {trained: locked_as(tmp_path, ref, (), trained=trained) for trained in (True, False)}
    assert uses[True].content != uses[False].content
    (pool,), said = opened(
        tmp_path,
        part.model_copy(update={"data": (uses[True],)}),
        part.model_copy(update={"task": "lookup-qa en", "data": (uses[False],), "examples": 2}),
    )
    assert (pool.name, pool.rows, pool.left_out) == ("lookup-qa en", 2, 1)
    (example,) = pool.examples(np.arange(pool.rows))
    assert len(example[0].labels) == 2
    assert [line for line in said if "lookup-qa en" in line]


def test_tags_that_an_oracle_reads_are_numbered_as_the_training_has_them(tmp_path: Path) -> None:
    """A tag that the training has not is none; content is that of rows whose tags nobody names."""
    folder = tmp_path / "own" / "tags" / "1"
    lines(folder, "train", TAGGED[:1])
    lines(folder, "test", TAGGED)
    tables = [
        locked_as(
            tmp_path, DatasetRef("own/tags", "default", split, "own:tagging"), (), trained=use
        )
        for split, use in (("train", True), ("test", False))
    ]
    part = Part(
        task="ccg", family="tagging", data=(tables[0],), examples=1, labels=("N", "S\\NP")
    )  # fmt: skip
    asked = {"task": "ccg-dev en", "data": (tables[1],), "examples": 2}
    (pool,), _ = opened(tmp_path, part, part.model_copy(update=asked))
    labels = [
        [label for label in example[0].labels if label >= 0]
        for example in pool.examples(np.arange(2))
    ]
    assert labels == [[0, 1], [0]]


def test_no_pool_is_read_for_a_training_that_no_oracle_judges(tmp_path: Path) -> None:
    spec = TrainSpec(
        parts=(), model=ModelRef(repo="few/model", revision="1", fingerprint="f"), parent=None,
        subset_seed=1, updates=4, freeze=(), precision="fp32", seed=1,
        recipe=Recipe(batch_size=2, learning_rate=1e-3),
        selection=Selection(evaluations=2, held_out=10),
    )  # fmt: skip
    assert Tokens(Mirror(tmp_path), tmp_path).open_reported(spec) == ()
