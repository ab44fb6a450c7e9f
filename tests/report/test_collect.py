"""What a report takes from a sweep's folder."""

from __future__ import annotations

from pathlib import Path

from tests.launch.records import result
from tests.tracking.conftest import empty_home
from xtl.launch.records import Result, TrainingSummary
from xtl.report.collect import handed_over
from xtl.report.data import HandedOver
from xtl.tracking import read_runs
from xtl.tracking.run import RunIdentity, Tracker

__all__ = ["empty_home"]  # for every test here: W&B's service and variables end with it


def trained(number: int, resumed_from: int = 0) -> Result:
    training = TrainingSummary(
        updates=40, resumed_from=resumed_from, final_loss=1.0, useful_tokens=1
    )
    return result("a").model_copy(update={"attempt": number, "training": training})


def test_a_sweep_that_was_renamed_keeps_its_runs(tmp_path: Path) -> None:
    """Found by shard id; runs of neither the sweep nor the plan are left out."""
    for shard in ("mine", "foreign"):
        identity = RunIdentity("old", "evaluate", shard, shard, 1)
        with Tracker(tmp_path, identity, {}) as tracker:
            tracker.summarise({"eval": {"sw": {"f1": 50.0}}})
    assert [record.shard for record in read_runs(tmp_path, "new", {"mine"})] == ["mine"]


def test_where_a_training_ended_is_read_off_its_result() -> None:
    """Not of results of before trainings said it, nor of evaluations."""
    ended = TrainingSummary(
        updates=40, selected=30, resumed_from=0, final_loss=1.0, useful_tokens=1
    )
    results = {
        "a": result("a").model_copy(update={"training": ended}),
        "b": trained(1),
        "c": result("c").model_copy(update={"training": None}),
    }
    assert handed_over(results) == {"a": HandedOver(updates=40, selected=30)}
