"""Where the device time of a sweep went: to its results, and to attempts that came to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.records import attempt, claim, failed, result, stopped
from tests.tracking.conftest import empty_home
from xtl.launch.records import Attempt, End, Heartbeat, Result, TrainingSummary
from xtl.report.collect import TimedAttempt, divided, handed_over
from xtl.report.data import HandedOver
from xtl.tracking import read_runs
from xtl.tracking.run import RunIdentity, Tracker

__all__ = ["empty_home"]  # for every test here: W&B's service and variables end with it

DONE = End(status="done", step=40, finished=200.0)  # claimed at 100 s, on two ranks: 200 s


def timed(number: int, end: End | None, beat: float | None = None, step: int = 0) -> TimedAttempt:
    heartbeat = None
    if beat is not None:
        heartbeat = Heartbeat(attempt=number, time=beat, step=step, total=40)
    return TimedAttempt(attempt(number, end), heartbeat)


def trained(number: int, resumed_from: int = 0) -> Result:
    training = TrainingSummary(
        updates=40, resumed_from=resumed_from, final_loss=1.0, useful_tokens=1
    )
    return result("a").model_copy(update={"attempt": number, "training": training})


def test_one_attempt_is_its_time_on_every_rank() -> None:
    assert divided([timed(1, DONE)], trained(1)) == (200.0, 0.0)


def test_a_failed_attempt_is_lost() -> None:
    assert divided([timed(1, failed("node")), timed(2, DONE)], trained(2)) == (200.0, 200.0)


def test_an_attempt_that_died_without_a_word_counts_to_its_last_heartbeat() -> None:
    found = divided([timed(1, None, beat=150.0), timed(2, DONE)], trained(2))
    assert found == (200.0, 100.0)


def test_an_attempt_that_left_no_sign_of_life_took_no_time() -> None:
    assert divided([timed(1, None), timed(2, DONE)], trained(2)) == (200.0, 0.0)


def test_a_stopped_attempt_that_was_resumed_led_to_the_result() -> None:
    assert divided([timed(1, stopped(20)), timed(2, DONE)], trained(2, 20)) == (400.0, 0.0)


def test_of_an_attempt_that_was_killed_what_came_after_its_checkpoint_is_lost() -> None:
    """Died at step 40 after 200 device-seconds; its checkpoint was of step 30."""
    attempts = [timed(1, None, beat=200.0, step=40), timed(2, DONE)]
    assert divided(attempts, trained(2, resumed_from=30)) == (350.0, 50.0)


def test_an_attempt_after_the_one_that_gave_the_result_is_lost() -> None:
    assert divided([timed(1, DONE), timed(2, failed("node"))], trained(1)) == (200.0, 200.0)


@pytest.mark.parametrize(("end", "lost"), [(None, 0.0), (stopped(3), 0.0), (failed("code"), 200.0)])
def test_without_a_result_only_what_failed_is_lost(end: End | None, lost: float) -> None:
    assert divided([timed(1, end, beat=200.0)], None) == (200.0 - lost, lost)


def test_a_clock_that_went_back_costs_nothing() -> None:
    early = End(status="failed", finished=50.0)
    assert divided([TimedAttempt(Attempt(claim=claim("a", 1), end=early), None)], None) == (0, 0)


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
