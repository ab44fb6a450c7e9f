"""How many rows checkpoints are judged by is known, and that there are any, before a job is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.test_tokens import locked_as, write
from tests.tiny import tokenizer_into
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.judges import held_out_rows, told
from xtl.launch.tokens import Tokens
from xtl.sweep.cells import Cell
from xtl.sweep.plan import Plan
from xtl.sweep.shard import ModelRef, Part, Selection, Shard, TrainSpec
from xtl.tasks.entries import DatasetRef
from xtl.tasks.settings import Recipe

OSLO, LIMA = "Oslo is in Norway.", "Lima, not Oslo, is in Peru."


def prepared(folder: Path, contexts: list[str], rows: int, *seeds: int) -> tuple[Plan, Tokens]:
    """A training a seed, judged by `rows` questions on these passages; tokenised."""
    write(folder / "few" / "rows" / "1", *contexts)
    ref = DatasetRef("few/rows", "default", "train", "squad")
    part = Part(
        task="lookup-qa", family="span-qa", data=(locked_as(folder, ref, (), trained=True),),
        examples=1,
    )  # fmt: skip
    shards, cells = {}, []
    for seed in seeds:
        spec = TrainSpec(
            parts=(part,), model=ModelRef(repo="few/model", revision="1", fingerprint="f"),
            parent=None, subset_seed=seed, updates=4, freeze=(), precision="fp32", seed=seed,
            recipe=Recipe(batch_size=2, learning_rate=1e-3, max_length=32, doc_stride=16),
            selection=Selection(evaluations=2, held_out=rows),
        )  # fmt: skip
        name = str(seed)
        shards[name] = Shard(id=name, stage="target", name=name, spec=spec)
        cells.append(
            Cell(
                task="none", size="0", examples=0, arm="best", seed=seed, target="lookup-qa",
                intermediate=None, checkpoint=name, evaluations=(),
            )
        )  # fmt: skip
    model = folder / "model"
    model.mkdir()
    tokenizer_into(model)
    plan, tokens = (
        Plan("few", True, "all", shards, tuple(cells), len(shards)),
        Tokens(Mirror(folder), model),
    )
    tokens.ensure(plan, 1, lambda line: None)
    return plan, tokens


def test_passages_are_judged_by_whole_so_that_the_rows_may_be_fewer(tmp_path: Path) -> None:
    plan, tokens = prepared(tmp_path, [OSLO] * 3 + [LIMA] * 2, 4, 1, 2, 3, 4)
    rows = held_out_rows(plan, tokens, "my.yaml")
    assert rows == {"lookup-qa": (2, 3)}  # the passage that the replicate ranks last
    assert told(rows) == "held-out rows that checkpoints are judged by: 2–3 of lookup-qa"


def test_passages_that_are_all_too_large_are_refused(tmp_path: Path) -> None:
    plan, tokens = prepared(tmp_path, [OSLO] * 3 + [LIMA] * 2, 1, 7)
    with pytest.raises(UserError) as refused:
        held_out_rows(plan, tokens, "my.yaml")
    assert str(refused.value) == (
        "my.yaml: arms.best.selection.rows: found 1, and none of the 5 rows of lookup-qa that can "
        "be held out (replicate 7), expected more: passages are held out whole, with all their "
        "questions"
    )


def test_an_arm_that_selects_nothing_has_nothing_to_say() -> None:
    plan = Plan("few", True, "all", {}, (), 0)
    assert told(held_out_rows(plan, Tokens(Mirror(Path("none")), Path("none")), "m.yaml")) == ""
