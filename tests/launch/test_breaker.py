"""The circuit breaker: the same failure of several shards stops the sweep. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.launch.records import attempt, stopped, why
from xtl.launch.breaker import pause_for
from xtl.launch.records import End, Failure, FailureClass, Pause
from xtl.launch.states import Evidence, states
from xtl.sweep.plan import Plan


def ended(number: int, cls: FailureClass, line: str = "KeyError: 'x'") -> Evidence:
    """So many attempts, all of which ended so."""
    end = End(status="failed", failure=Failure(cls=cls, line=line, rank=0), finished=200.0)
    return Evidence(attempts=tuple(attempt(each, end) for each in range(1, number + 1)))


def found(
    plan: Plan, failing: list[Evidence], lifted: tuple[Pause, ...] = (), least: int | None = 3
) -> Pause | None:
    """Of a sweep whose first trainings without parents failed so."""
    first = [shard.id for shard in plan.shards.values() if not shard.parents]
    evidence = {shard: Evidence() for shard in plan.shards}
    evidence |= dict(zip(first, failing, strict=False))
    return pause_for(states(plan, evidence), evidence, lifted, least, now=5.0)


def test_three_shards_that_fail_alike_stop_the_sweep(plan: Plan) -> None:
    assert found(plan, [ended(1, "code")] * 2) is None
    pause = found(plan, [ended(1, "code")] * 3)
    assert pause
    assert (pause.cause, pause.line, len(pause.shards)) == ("repeated", "KeyError: 'x'", 3)


def test_failures_that_differ_do_not(plan: Plan) -> None:
    differ = [ended(1, "code", line) for line in ("KeyError: 'x'", "TypeError", "ValueError")]
    assert found(plan, differ) is None


def test_failures_that_differ_by_their_numbers_are_alike(plan: Plan) -> None:
    lines = [f"IndexError: index {n} of /a/{n} is out of bounds" for n in (17, 18, 19)]
    assert found(plan, [ended(1, "code", line) for line in lines])


@pytest.mark.parametrize("cls", ["node", "host-oom", "diverged"])
def test_what_machines_do_and_what_is_a_result_never_stops_it(
    plan: Plan, cls: FailureClass
) -> None:
    assert found(plan, [ended(3, cls)] * 3) is None


def test_a_preempted_shard_is_no_failure(plan: Plan) -> None:
    assert found(plan, [Evidence(attempts=(attempt(1, stopped(3)),))] * 3) is None


def test_a_class_that_is_tried_again_counts_from_the_second_time_running(plan: Plan) -> None:
    assert found(plan, [ended(1, "unknown")] * 3) is None
    assert found(plan, [ended(2, "unknown")] * 3)


def test_it_can_be_turned_off(plan: Plan) -> None:
    assert found(plan, [ended(1, "code")] * 3, least=None) is None


def test_one_full_disk_pauses_the_sweep(plan: Plan) -> None:
    pause = found(plan, [ended(1, "storage", "No space left on device")], least=None)
    assert pause
    assert pause.cause == "storage"


def test_what_a_lifted_pause_named_does_not_bring_it_back(plan: Plan) -> None:
    for failing in ([ended(1, "code")] * 3, [ended(1, "storage")]):
        first = found(plan, failing)
        assert first
        assert found(plan, failing, lifted=(first,)) is None


def test_the_same_shards_that_fail_so_again_do(plan: Plan) -> None:
    first = found(plan, [ended(1, "code")] * 3)
    assert first
    again = [replace(ended(2, "code"), pardoned=1)] * 3
    assert found(plan, again, lifted=(first,))


def test_batches_that_are_halved_are_not_the_same_failure_again(plan: Plan) -> None:
    """Each shard begins with the whole batch, and what fits one fits the next."""
    assert found(plan, [ended(2, "gpu-oom", "CUDA out of memory")] * 3) is None


def test_jobs_that_never_begin_and_do_not_again_after_a_pardon_stop_it_anew(plan: Plan) -> None:
    def twice(*times: float) -> Evidence:
        return Evidence(false_starts=tuple(why("configuration", time) for time in times))

    first = found(plan, [twice(1.0, 2.0)] * 3)
    assert first
    assert found(plan, [twice(1.0, 2.0)] * 3, lifted=(first,)) is None
    assert found(plan, [twice(7.0, 8.0)] * 3, lifted=(first,))


def test_an_earlier_try_counts_as_what_its_logs_and_scheduler_told_of_it(plan: Plan) -> None:
    """Rank 0 knew no more than that it had lost the others."""
    killed = Failure(cls="unknown", line="xtl: rank 1 ended by signal 9", file="7_1_log.err:3")
    lost = End(
        status="failed", failure=Failure(cls="communication", line="closed", rank=0), finished=2.0
    )
    tries = [attempt(number, lost).model_copy(update={"noted": (killed,)}) for number in (1, 2)]
    assert found(plan, [Evidence(attempts=tuple(tries), noted=(killed,))] * 3)


def test_a_disk_elsewhere_that_stays_full_pauses_nobody_else(plan: Plan) -> None:
    assert found(plan, [ended(3, "storage", "No space left on device")])
    assert found(plan, [ended(4, "storage", "No space left on device")]) is None
