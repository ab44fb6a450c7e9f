"""The strong control: a target's recipe tuned on English that it did not train on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.shard import EvaluateSpec, TrainSpec
from xtl.tasks.catalogue import TASKS

CONTROL: dict[str, Any] = {
    "targets": ["tydiqa"],
    "arm": "epochs",
    "sizes": [0, "100%"],
    "epochs": [2, 5],
    "learning_rates": [1e-5, 3e-5],
}
ROWS = TASKS["tydiqa"].rows


def planned(**changes: Any) -> Plan:
    return make_plan(manifest(strong_control=CONTROL | changes), None)


def test_every_recipe_is_trained_at_each_size_asked_for() -> None:
    cells = [cell for cell in planned().cells if cell.recipe]
    recipes = ["2×1e-05", "2×3e-05", "5×1e-05", "5×3e-05"]
    assert [cell.recipe for cell in cells] == recipes * 2
    assert [cell.size for cell in cells] == ["0"] * 4 + ["100%"] * 4


def test_its_cells_are_of_the_arm_that_it_starts_from() -> None:
    arms = [{"name": "epochs", "fixed": "epochs"}, {"name": "updates", "fixed": "updates"}]
    plan = make_plan(manifest(strong_control=CONTROL, arms=arms), None)
    cells = [cell for cell in plan.cells if cell.recipe]
    assert {(cell.arm, cell.target) for cell in cells} == {("epochs", "tydiqa")}
    assert {cell.arm for cell in plan.cells} == {"epochs", "updates"}


def test_without_it_every_cell_has_the_manifest_s_own_recipe() -> None:
    cells = make_plan(manifest(), None).cells
    assert [cell for cell in planned().cells if not cell.recipe] == list(cells)
    assert {cell.recipe for cell in cells} == {""}


def test_a_recipe_s_shards_are_told_by_their_names() -> None:
    plan = planned()
    (cell, *_) = [cell for cell in plan.cells if cell.recipe == "5×3e-05"]
    assert plan.shards[cell.checkpoint or ""].name == "0 s1 → tydiqa (strong 5×3e-05)"


def test_it_is_chosen_by_english_that_none_of_it_trained_on() -> None:
    plan = planned(held_out=0.25)
    cell = next(cell for cell in plan.cells if cell.recipe == "5×3e-05")
    trained = plan.shards[cell.checkpoint or ""].spec
    held_out = plan.shards[dict(cell.evaluations)["tydiqa-held-out"]].spec
    assert isinstance(trained, TrainSpec)
    assert isinstance(held_out, EvaluateSpec)
    (part,) = trained.parts
    assert (part.examples, part.subset) == (ROWS - ROWS // 4, "paragraph")
    assert trained.recipe.learning_rate == 3e-5
    assert trained.updates == 5 * -(-part.examples // trained.recipe.batch_size)
    assert held_out.held_out
    assert held_out.held_out.after == part.examples
    assert held_out.data == (("en", part.data[0]),)


def test_it_starts_from_the_arm_s_own_intermediate_trainings() -> None:
    def intermediates(plan: Plan) -> set[str]:
        return {key for key, shard in plan.shards.items() if shard.stage == "intermediate"}

    assert intermediates(planned()) == intermediates(make_plan(manifest(), None))


def test_a_target_of_several_tables_is_refused_with_a_way_out() -> None:
    asked: dict[str, Any] = {
        "targets": [{"task": "anli+"}],
        "strong_control": CONTROL | {"targets": ["anli+"]},
    }
    found = r"strong_control.targets: found anli\+, which trains on 5 tables, expected one"
    with pytest.raises(UserError, match=found + r".*: put one place under training_data.anli\+"):
        make_plan(manifest(**asked), None)
    make_plan(manifest(**asked, training_data={"anli+": {"path": "nli.jsonl"}}), None)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"targets": ["xquad"]}, "strong_control.targets: found 'xquad'"),
        ({"arm": "updates"}, "strong_control.arm: found 'updates'"),
        ({"sizes": ["7%"]}, "strong_control.sizes: found '7%'"),
    ],
)
def test_what_is_not_planned_is_refused(change: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        planned(**change)
