"""Arms that select the checkpoint that is handed over: what they ask for, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.arms import SelectionChoice
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.shard import Selection, TrainSpec, shard_id
from xtl.tasks.catalogue import TASKS

PLAIN: dict[str, Any] = {"name": "epochs", "fixed": "epochs"}
BEST = PLAIN | {"name": "best", "selection": {"evaluations": 10}}
EARLY = PLAIN | {"name": "early", "selection": {"evaluations": 20, "patience": 5}}
ORACLE = PLAIN | {"name": "oracle", "selection": {"evaluations": 10, "by": "oracle"}}
MNLI, TYDIQA = (TASKS[name].rows for name in ("mnli", "tydiqa"))


def planned(*arms: dict[str, Any], **changes: Any) -> Plan:
    return make_plan(manifest(arms=list(arms), **changes), None)


def trained(plan: Plan, arm: str, size: str, target: str | None = "tydiqa") -> TrainSpec:
    (cell,) = (
        cell for cell in plan.cells if (cell.arm, cell.size, cell.target) == (arm, size, target)
    )
    spec = plan.shards[cell.checkpoint or ""].spec
    assert isinstance(spec, TrainSpec)
    return spec


def test_both_trainings_of_a_chain_are_judged_on_rows_that_are_kept_out_of_them() -> None:
    plan = planned(BEST)
    for target in (None, "tydiqa"):
        spec = trained(plan, "best", "100%", target)
        assert spec.selection == Selection(evaluations=10, held_out=500)
    assert trained(plan, "best", "100%", None).examples == MNLI - 500
    assert trained(plan, "best", "100%").examples == TYDIQA - 500


def test_a_percentage_comes_to_as_many_examples_as_in_an_arm_that_keeps_nothing_out() -> None:
    plan = planned(PLAIN, BEST)
    examples = [trained(plan, arm, "10%", None).examples for arm in ("epochs", "best")]
    assert examples == [39_270, 39_270]


def test_updates_are_the_passes_over_what_is_left() -> None:
    spec = trained(planned(BEST), "best", "100%")
    assert spec.updates == 2 * -(-(TYDIQA - 500) // 16)


def test_fixed_updates_stay_those_of_the_tenth() -> None:
    plain = {"name": "updates", "fixed": "updates"}
    plan = planned(plain, plain | {"name": "best", "selection": {"evaluations": 4}})
    updates = [trained(plan, arm, "100%", None).updates for arm in ("updates", "best")]
    assert updates[0] == updates[1]


def test_each_of_several_tasks_keeps_rows_out() -> None:
    tasks = {"tasks": ["mnli", "hellaswag"], "training": {"epochs": 1, "batch_size": 32}}
    plan = planned(PLAIN, BEST, intermediate=[tasks])
    plain, best = (trained(plan, arm, "100%", None).parts for arm in ("epochs", "best"))
    assert [one.examples - other.examples for one, other in zip(plain, best, strict=True)] == [
        500, 500,
    ]  # fmt: skip
    assert [part.weight for part in plain] == [part.weight for part in best]


def test_text_for_masked_lm_is_all_trained_on() -> None:
    text = {"corpus": "text", "languages": ["sw"], "share": 0.25}
    plan = planned(
        BEST,
        intermediate=[{"task": "mnli", "masked_text": text}],
        training_data={"text": {"path": "t/{language}.txt"}},
    )
    _, masked = trained(plan, "best", "100%", None).parts
    assert masked.examples == sum(table.rows for table in masked.data)


def test_an_arm_that_selects_shares_no_training_with_one_that_does_not() -> None:
    plan = planned(PLAIN, BEST)
    both = [
        {cell.checkpoint for cell in plan.cells if cell.arm == arm} for arm in ("epochs", "best")
    ]
    assert both[0] & both[1] == {None}  # the public model, which nothing was trained for


def test_without_a_selection_a_shard_is_what_it_was() -> None:
    alone, beside = planned(PLAIN), planned(PLAIN, BEST, ORACLE)
    assert alone.shards.items() <= beside.shards.items()
    assert "selection" not in trained(alone, "epochs", "100%").identity()


def test_size_0_of_each_arm_that_selects_has_a_name_of_its_own() -> None:
    plan = planned(PLAIN, BEST, sizes=[0])
    names = [shard.name for shard in plan.shards.values() if shard.stage == "target"]
    assert names == ["0 s1 → tydiqa", "0 best s1 → tydiqa"]


def test_early_stopping_is_another_training() -> None:
    early = trained(planned(EARLY), "early", "100%")
    patient = trained(planned(BEST | {"selection": {"evaluations": 20}}), "best", "100%")
    assert early.selection == Selection(evaluations=20, held_out=500, patience=5)
    assert shard_id(early) != shard_id(patient)


def test_an_oracle_reads_each_language_that_is_run_of_the_target_s_own_sets() -> None:
    target = {"task": "tydiqa", "languages": ["en", "sw"], "secondary": True}
    spec = trained(planned(ORACLE, targets=[target]), "oracle", "100%")
    assert spec.selection
    assert spec.held_out == 0
    assert [part.task for part in spec.selection.reported] == ["tydiqa en", "tydiqa sw"]
    assert spec.examples == TYDIQA


def test_what_an_oracle_reads_is_what_is_reported_and_in_the_training_s_classes() -> None:
    plan = planned(ORACLE, targets=[{"task": "xnli", "languages": ["de"], "evaluate_on": 100}])
    spec = trained(plan, "oracle", "100%", "xnli")
    assert spec.selection
    (part,) = spec.selection.reported
    evaluated = {
        table
        for shard in plan.shards.values()
        if shard.stage == "evaluate" and shard.parents
        for _, table in shard.spec.data  # type: ignore[union-attr]
    }
    assert part.data[0] in evaluated
    assert part.examples == 100
    assert (part.family, part.labels) == (spec.parts[0].family, TASKS["mnli"].labels)


def test_an_oracle_s_intermediate_trainings_are_the_plain_arm_s() -> None:
    plan = planned(ORACLE, PLAIN)
    pairs = [
        {cell.intermediate for cell in plan.cells if cell.arm == arm}
        for arm in ("epochs", "oracle")
    ]
    assert pairs[0] == pairs[1]
    names = [shard.name for shard in plan.shards.values() if shard.stage == "intermediate"]
    assert names == ["mnli 10% epochs s1", "mnli 100% epochs s1"]  # and so it comes last


def test_a_new_language_is_another_oracle_and_no_other_hold_out() -> None:
    def targets(arm: dict[str, Any], *languages: str) -> set[str]:
        asked = [{"task": "tydiqa", "languages": list(languages)}]
        plan = planned(arm, targets=asked)
        return {key for key, shard in plan.shards.items() if shard.stage == "target"}

    assert targets(BEST, "en") == targets(BEST, "en", "sw")
    assert not targets(ORACLE, "en") & targets(ORACLE, "en", "sw")


def test_an_oracle_of_a_set_that_asks_for_other_answers_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    from xtl.tasks.catalogue import EVALUATION_SETS

    other = replace(EVALUATION_SETS["xnli"], labels=("yes", "no"))
    monkeypatch.setitem(EVALUATION_SETS, "xnli", other)
    with pytest.raises(UserError, match=r"found oracle, expected hold-out: xnli asks for other"):
        planned(ORACLE, targets=[{"task": "xnli"}])


@pytest.mark.parametrize(
    ("updates", "evaluations", "patience"), [(100, 10, 4), (6, 6, 4), (5, 5, None), (1, 1, None)]
)
def test_a_short_training_is_judged_after_each_update(
    updates: int, evaluations: int, patience: int | None
) -> None:
    """Patience that could not end it any more says nothing, and is no part of what it is."""
    found = SelectionChoice(evaluations=10, patience=4).of(updates)
    assert (found.evaluations, found.patience) == (evaluations, patience)


@pytest.mark.parametrize(
    ("selection", "line"),
    [
        ({}, "arms.epochs.selection.evaluations: found nothing, expected this key"),
        ({"evaluations": 1}, "arms.epochs.selection.evaluations: found 1, expected greater than"),
        ({"evaluations": 101}, "arms.epochs.selection.evaluations: found 101, expected less than"),
        ({"evaluations": True}, "expected a whole number greater than 0"),
        ({"evaluations": 5, "patience": 4}, "patience: found 4, expected at most 3: the first of"),
        ({"evaluations": 2, "patience": 1}, "found 1, expected none beside 2 evaluations: the"),
        (
            {"evaluations": 5, "held_out": 100},
            "arms.epochs.selection.held_out: found 100, expected it as `rows`, its name since",
        ),
        (
            {"evaluations": 5, "patience": 2, "by": "oracle"},
            "arms.epochs.selection.patience: found 2, expected none beside `by: oracle`",
        ),
        (
            {"evaluations": 5, "rows": 500, "by": "oracle"},
            "arms.epochs.selection.rows: found 500, expected none beside `by: oracle`",
        ),
        (
            {"evaluations": 5, "by": "dev"},
            "arms.epochs.selection.by: found 'dev', expected 'hold-out' or",
        ),
    ],
)
def test_what_cannot_be_selected_by_is_one_line(selection: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as caught:
        planned(PLAIN | {"selection": selection})
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_result_is_called_by_an_oracle() -> None:
    primary = {"task": "mnli", "target": "tydiqa", "languages": ["sw"]}
    with pytest.raises(UserError, match=r"primary.arm: found 'oracle', whose .* no result"):
        planned(PLAIN, ORACLE, primary=primary | {"arm": "oracle"})
    assert planned(PLAIN, BEST, primary=primary | {"arm": "best"}).shards


@pytest.mark.parametrize("arm", ["best", "oracle"])
def test_a_strong_control_starts_from_an_arm_that_hands_over_the_last(arm: str) -> None:
    control = {
        "targets": ["tydiqa"], "arm": arm, "sizes": [0], "epochs": [2], "learning_rates": [1e-5],
    }  # fmt: skip
    with pytest.raises(UserError, match=f"strong_control.arm: found '{arm}', which selects"):
        planned(PLAIN, BEST, ORACLE, strong_control=control)
