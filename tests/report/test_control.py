"""The strong control's table: recipes beside the manifest's own, the best by held-out English."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.analysis.runs import CONTROL, METRICS, Score, evaluation, manifest, plan, runs
from xtl.analysis.table import build_table
from xtl.report.control import ControlTable, control_tables
from xtl.report.data import ReportData
from xtl.sweep.cells import Cell

HELD_OUT = "lookup-qa-held-out"
BY_RECIPE = {"": 10.0, "5×1e-05": 20.0, "5×3e-05": 30.0, "10×1e-05": 40.0, "10×3e-05": 25.0}
BY_LANGUAGE = {"en": 5.0, "sw": 1.0, "bn": 3.0, "de": 8.0}


def score(cell: Cell, set_name: str, language: str, metric: str) -> float:
    return BY_RECIPE[cell.recipe] + BY_LANGUAGE[language] + (cell.size != "0") + cell.seed - 1.5


def tables(
    score: Score = score, without: Collection[str] = (), **changes: object
) -> list[ControlTable]:
    asked: dict[str, object] = {"strong_control": CONTROL} | changes
    planned = plan(**asked)
    found = {key: run for key, run in runs(planned, score, METRICS).items() if key not in without}
    data = ReportData(manifest(**asked), planned, build_table(planned, found))
    return control_tables(data.table, data)


def test_a_manifest_without_a_strong_control_has_no_table() -> None:
    assert tables(strong_control=None) == []


def test_each_size_has_every_recipe_under_the_manifest_s_own() -> None:
    (table,) = tables()
    assert [block.title for block in table.blocks] == [
        "size 0", "after lookup-pool 400 (400 examples)",
    ]  # fmt: skip
    for block in table.blocks:
        first, *others = [row.cells[0] for row in block.rows]
        assert first.endswith(", the manifest's own")
        assert others == ["5×1e-05", "5×3e-05", "10×1e-05, best", "10×3e-05"]


def test_a_row_has_held_out_english_and_the_group_means_of_the_target_s_own_set() -> None:
    (table,) = tables()
    assert table.headings == ["recipe", "held-out English, F1", "low-resource", "mean without en"]
    assert table.blocks[0].rows[1].cells == ["5×1e-05", "25.0", "22.0", "24.0"]
    assert table.blocks[1].rows[1].cells == ["5×1e-05", "26.0", "23.0", "25.0"]


def test_the_manifest_s_own_recipe_was_chosen_by_nothing_that_it_did_not_train_on() -> None:
    (table,) = tables()
    assert table.blocks[0].rows[0].cells[1:] == ["–", "12.0", "14.0"]


def test_the_best_is_by_held_out_english_and_not_by_what_is_asked_after() -> None:
    def other(cell: Cell, set_name: str, language: str, metric: str) -> float:
        value = score(cell, set_name, language, metric)
        return value if set_name == HELD_OUT else 100 - value

    (table,) = tables(other)
    best = [row.cells[0] for block in table.blocks for row in block.rows if row.best]
    assert best == ["10×1e-05, best"] * 2


def test_a_size_may_have_another_best_recipe() -> None:
    def other(cell: Cell, *where: str) -> float:
        raised = cell.size == "400" and cell.recipe == "5×3e-05"
        return score(cell, *where) + 50 * raised

    (table,) = tables(other)
    best = [[row.cells[0] for row in block.rows if row.best] for block in table.blocks]
    assert best == [["10×1e-05, best"], ["5×3e-05, best"]]


def test_recipes_that_tie_are_both_marked() -> None:
    (table,) = tables(lambda *_: 50.0)
    assert [row.best for row in table.blocks[0].rows] == [False, True, True, True, True]


def test_without_a_held_out_score_none_is_best() -> None:
    (table,) = tables(without=list(plan(strong_control=CONTROL).shards))
    assert not any(row.best for block in table.blocks for row in block.rows)
    assert table.blocks[0].rows[1].cells == ["5×1e-05", "–", "–", "–"]


def test_a_mean_over_fewer_replicates_is_marked() -> None:
    lost = evaluation(plan(strong_control=CONTROL), "0", 2, HELD_OUT, recipe="5×1e-05")
    (table,) = tables(without=[lost])
    assert table.blocks[0].rows[1].cells[1] == "24.5*"


def test_size_0_is_shown_once_and_each_task_after_it() -> None:
    tasks = [{"task": "lookup-qa"}, {"task": "lookup-pool"}]
    control = CONTROL | {"sizes": [0, 40]}
    (table,) = tables(intermediate=tasks, sizes=[0, 40, 100], strong_control=control)
    assert [block.title.split(" (")[0] for block in table.blocks] == [
        "size 0", "after lookup-qa 40", "after lookup-pool 40",
    ]  # fmt: skip


@pytest.mark.parametrize("arms", [["epochs", "updates"], ["updates", "epochs"]])
def test_only_the_control_s_own_arm_stands_beside_it(arms: list[str]) -> None:
    def other(cell: Cell, *where: str) -> float:
        return score(cell, *where) + (7 if cell.arm == "updates" and cell.size != "0" else 0)

    (table,) = tables(other, arms=[{"name": name, "fixed": name} for name in arms])
    assert table.blocks[1].rows[0].cells[2] == "13.0"
