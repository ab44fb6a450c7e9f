"""What a real cluster (22.05) printed of jobs that met every fate, and what is made of it.

`early`: some seconds after they were submitted, task 0 of `kill`, 3 of `run` and 1 of `held` just
cancelled by a person, `again` requeued by one, `low` preempted by `high`. `late`: 90 s on, a node
powered off, `dep` and `begin` cancelled. Of two ranks, one of `nine` was killed, one of `trace`
raised and one of `oom2` ran out of memory; `segv` and `abort` ended themselves by a signal;
`nopython` ran a program that is not there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.launch.sight import Sight
from xtl.launch.slurm.facts import read_nodes, read_partitions
from xtl.launch.slurm.queue import sights
from xtl.launch.slurm.rows import NO_INDEX, parse_accounts, parse_queue

ANSWERS = Path(__file__).parent / "answers"
ASKED = {"early": 1795409365.7, "late": 1795409446.8}
EXPECTED = [("run", 3), ("held", 1)]
Fate = tuple[str, str, str | None]


def answer(name: str) -> str:
    return (ANSWERS / f"{name}.txt").read_text(encoding="utf-8")


def seen(stage: str) -> dict[tuple[str, int], Sight]:
    queue = parse_queue(answer(f"{stage}.queue"), ASKED[stage])
    return sights(queue, parse_accounts(answer(f"{stage}.accounts")), EXPECTED)


def fates(stage: str) -> dict[tuple[str, int], Fate]:
    return {
        job: (sight.liveness, sight.state, sight.failure.cls if sight.failure else None)
        for job, sight in seen(stage).items()
    }


ALWAYS: dict[tuple[str, int], Fate] = {
    ("ok", 0): ("gone", "COMPLETED", None),
    ("ok", 1): ("gone", "COMPLETED", None),
    ("ok", 2): ("gone", "COMPLETED", None),
    ("fail", 0): ("gone", "FAILED", None),
    ("fail", 1): ("gone", "FAILED", None),
    ("oom", 0): ("gone", "FAILED", "host-oom"),
    ("dead", 0): ("gone", "CANCELLED", None),
    ("dead", 1): ("gone", "CANCELLED", None),
    ("kill", 0): ("gone", "CANCELLED by 0", "cancelled"),
    ("kill", 1): ("alive", "RUNNING", None),
    ("run", 0): ("alive", "RUNNING", None),
    ("run", 1): ("alive", "PENDING", None),
    ("run", 2): ("alive", "PENDING", None),
    ("run", 3): ("gone", "CANCELLED", "cancelled"),
    ("held", 0): ("alive", "PENDING", None),
    ("held", 1): ("gone", "CANCELLED", "cancelled"),
    ("high", 0): ("alive", "RUNNING", None),
    ("low", 0): ("alive", "PENDING", None),
    ("nine", 0): ("gone", "FAILED", "unknown"),
    ("segv", 0): ("gone", "FAILED", "unknown"),
    ("abort", 0): ("gone", "FAILED", "unknown"),
    ("trace", 0): ("gone", "FAILED", None),
    ("nopython", 0): ("gone", "FAILED", None),
    ("oom2", 0): ("gone", "FAILED", "host-oom"),
}


def test_soon_after_their_submission() -> None:
    assert fates("early") == ALWAYS | {
        ("time", 0): ("alive", "RUNNING", None),
        ("dep", 0): ("alive", "PENDING", None),
        ("dep", 1): ("alive", "PENDING", None),
        ("begin", 0): ("alive", "PENDING", None),
        ("again", 0): ("alive", "PENDING", None),
        ("norq", 0): ("alive", "RUNNING", None),
        ("req", 0): ("alive", "RUNNING", None),
    }


def test_when_a_limit_has_passed_a_node_has_failed_and_a_person_has_cancelled() -> None:
    assert fates("late") == ALWAYS | {
        ("time", 0): ("gone", "TIMEOUT", "time-limit"),
        ("dep", 0): ("gone", "CANCELLED", "cancelled"),
        ("dep", 1): ("gone", "CANCELLED", "cancelled"),
        ("begin", 0): ("gone", "CANCELLED", "cancelled"),
        ("again", 0): ("alive", "RUNNING", None),
        ("norq", 0): ("gone", "NODE_FAIL", "node"),
        ("req", 0): ("alive", "PENDING", None),
    }


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("oom2", "Slurm: FAILED, exit 1:0; step 0: OUT_OF_MEMORY, exit 0"),
        ("nine", "Slurm: FAILED, exit 15:0; step 0: CANCELLED, exit 0, signal 9"),
        ("abort", "Slurm: FAILED, exit 6:0; step 0: CANCELLED, exit 0, signal 6"),
        ("trace", "Slurm: FAILED, exit 15:0; step 0: CANCELLED, exit 0, signal 15"),
        ("nopython", "Slurm: FAILED, exit 2:0; step 0: FAILED, exit 2"),
        ("norq", "Slurm: NODE_FAIL, exit 0:0; step 0: CANCELLED, exit 0"),
        ("time", "Slurm: TIMEOUT, exit 0:0; step 0: CANCELLED, exit 0, signal 15"),
    ],
)
def test_states_exit_codes_and_signals_of_the_steps_are_kept_as_facts(name: str, fact: str) -> None:
    sight = seen("late")[name, 0]
    assert sight.facts == (fact,)
    assert sight.failure is None or sight.failure.facts == (fact,)


def test_what_ended_well_or_has_not_ended_has_no_facts() -> None:
    well = {job: sight for job, sight in seen("late").items() if job[0] in ("ok", "run", "again")}
    assert not any(sight.facts for job, sight in well.items() if job not in EXPECTED)


@pytest.mark.parametrize(
    ("name", "line", "node"),
    [
        ("nine", "step 0 ended by signal 9 (SIGKILL) on q-1", "q-1"),
        ("segv", "step 0 ended by signal 11 (SIGSEGV) on q-1", "q-1"),
        ("norq", "a node of its failed (NODE_FAIL on q-2)", "q-2"),
    ],
)
def test_an_end_by_a_signal_or_a_node_is_told_with_its_node(
    name: str, line: str, node: str
) -> None:
    failure = seen("late")[name, 0].failure
    assert failure is not None
    assert (failure.line, failure.node) == (line, node)


def test_only_those_whose_parent_failed_were_dropped() -> None:
    for stage in ASKED:
        dropped = {job for job, sight in seen(stage).items() if sight.dropped}
        assert dropped == {("dead", 0), ("dead", 1)}


@pytest.mark.parametrize(
    ("stage", "job", "reason"),
    [
        ("early", ("run", 1), "as many tasks of its array run as the profile lets run at once"),
        ("early", ("dep", 0), "it waits for a job that it depends on"),
        ("early", ("held", 0), "its owner, or this sweep, holds it"),
        ("early", ("low", 0), "it may not begin before a time (after a requeue, a moment)"),
        ("late", ("low", 0), "it is next, and waits for free nodes"),
        ("late", ("req", 0),
         "nodes that it asks for are down, drained or reserved (UnavailableNodes:q-2)"),
    ],
)  # fmt: skip
def test_why_they_wait(stage: str, job: tuple[str, int], reason: str) -> None:
    assert seen(stage)[job].reason == reason


def test_the_database_alone_knows_no_bad_end_for_certain() -> None:
    """The controller is silent: a job that lost its node may be in the queue again."""
    found = sights(None, parse_accounts(answer("late.accounts")))
    assert {sight.liveness for sight in found.values() if sight.state == "COMPLETED"} == {"gone"}
    ended = {"FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED by 0"}
    assert {sight.liveness for sight in found.values() if sight.state in ended} == {"unknown"}
    assert not any(sight.asked for sight in found.values())


def test_without_a_database_the_controller_tells_all_but_what_became_of_steps() -> None:
    found = sights(parse_queue(answer("late.queue"), ASKED["late"]), None)
    told = {job: sight.failure and sight.failure.cls for job, sight in found.items()}
    with_both = {job: cls for job, (_, _, cls) in fates("late").items() if job not in EXPECTED}
    steps = [(name, 0) for name in ("oom", "oom2", "nine", "segv", "abort")]
    assert told == with_both | dict.fromkeys(steps)


def test_a_job_that_its_node_could_not_launch_is_stuck() -> None:
    (sight,) = sights(parse_queue(answer("held.queue"), 0.0), None).values()
    assert (sight.liveness, sight.stuck) == ("alive", True)


def test_of_arrays_that_were_cancelled_only_tasks_that_began_have_rows() -> None:
    """Slurm lists the rest of such an array without an index, as it does a job in no array."""
    found = sights(parse_queue(answer("cancelled.queue"), 1795359528.8), None)
    rests = {name for name, index in found if index == NO_INDEX}
    assert rests == {"run", "dep", "held", "begin"}
    assert [job for job in found if job[1] != NO_INDEX] == [("run", 0)]


def test_partitions_and_nodes_are_read() -> None:
    partitions = {entry.name: entry for entry in read_partitions(answer("partitions"))}
    assert [name for name, entry in partitions.items() if entry.default] == ["main"]
    assert {name: entry.max_minutes for name, entry in partitions.items()} == {
        "main": 1440, "short": 2, "low": 1440, "high": 1440}  # fmt: skip
    assert {(kind.partition, kind.count, kind.cpus, kind.memory_mib, kind.gpus_of(None))
            for kind in read_nodes(answer("nodes"))} == {
        (name, 3, 8, 4000, 2) for name in partitions}  # fmt: skip
