"""What squeue and sacct together mean for a job: every combination of the two, as a table."""

from __future__ import annotations

import pytest

from xtl.launch.sight import Sight
from xtl.launch.slurm.queue import LAG_S, sights
from xtl.launch.slurm.rows import AccountRow, QueueRow, parse_accounts, parse_queue

NOW = 10_000.0
JUST, LONG_AGO = "9999", str(int(NOW - LAG_S - 1))

# Rows as the commands print them: array, index, name, state, node, start, end, reason ...
PENDING = "7|0|b|PENDING||N/A|N/A|Priority"
RUNNING = "7|0|b|RUNNING|n1|9000|9600|None"
COMPLETING = "7|0|b|COMPLETING|n1|9000|9600|None"
COMPLETED = f"7|0|b|COMPLETED|n1|9000|{JUST}|None"
FAILED = f"7|0|b|FAILED|n1|9000|{JUST}|NonZeroExitCode"
FAILED_LONG_AGO = f"7|0|b|FAILED|n1|9000|{LONG_AGO}|NonZeroExitCode"
TIMEOUT = f"7|0|b|TIMEOUT|n1|9000|{JUST}|TimeLimit"
PREEMPTED = f"7|0|b|PREEMPTED|n1|9000|{JUST}|None"
NODE_FAIL = f"7|0|b|NODE_FAIL|n1|9000|{JUST}|NodeDown"
CANCELLED = f"7|0|b|CANCELLED|n1|9000|{JUST}|None"
CANCELLED_LONG_AGO = f"7|0|b|CANCELLED|n1|9000|{LONG_AGO}|None"
DROPPED_TOO = f"7|0|b|CANCELLED||{JUST}|{JUST}|DependencyNeverSatisfied"
CANCELLED_WAITING = f"7|0|b|CANCELLED||{JUST}|{JUST}|Resources"
DROPPED = f"7|0|b|CANCELLED||N/A|{JUST}|DependencyNeverSatisfied"
STRANGE = "7|0|b|TELEPORTING|n1|9000|9600|None"

# ... and: job, state, exit, derived exit, node, start, end, name. Steps have names of their own.
A_PENDING = "7_[0]|PENDING|0:0|0:0|None assigned|Unknown|Unknown|b"
A_RUNNING = "7_0|RUNNING|0:0|0:0|n1|9000|Unknown|b\n7_0.0|RUNNING|0:0||n1|9000|Unknown|python"
A_REQUEUED = "7_0|REQUEUED|0:0|0:0|n1|9000|9100|b"
A_COMPLETED = "7_0|COMPLETED|0:0|0:0|n1|9000|9100|b\n7_0.0|COMPLETED|0:0||n1|9000|9100|python"
A_FAILED = "7_0|FAILED|1:0|1:0|n1|9000|9100|b\n7_0.0|FAILED|1:0||n1|9000|9100|python"
A_MEMORY = "7_0|FAILED|1:0|1:0|n1|9000|9100|b\n7_0.0|OUT_OF_MEMORY|0:125||n1|9000|9100|python"
A_HUNG = "7_0|TIMEOUT|0:0|0:0|n1|9000|9100|b\n7_0.1|OUT_OF_MEMORY|0:125||n1|9000|9100|python"
A_SPARED = "7_0|COMPLETED|0:0|0:0|n1|9000|9100|b\n7_0.0|OUT_OF_MEMORY|0:125||n1|9000|9100|python"
A_WHOLE = "7_0|OUT_OF_MEMORY|0:0|0:0|n1|9000|9100|b"
A_TIMEOUT = "7_0|TIMEOUT|0:0|0:0|n1|9000|9100|b\n7_0.0|CANCELLED|0:15||n1|9000|9100|python"
A_PREEMPTED = "7_0|PREEMPTED|0:0|0:0|n1|9000|9100|b\n7_0.0|CANCELLED|0:15||n1|9000|9100|python"
A_NODE_FAIL = "7_0|NODE_FAIL|0:0|0:0|n1|9000|9100|b\n7_0.0|CANCELLED|0:15||n1|9000|9100|python"
A_BOOT_FAIL = "7_0|BOOT_FAIL|0:0|0:0|n1|9000|9100|b"
A_BY_PERSON = (
    "7_0|CANCELLED by 1001|0:0|0:0|n1|9000|9100|b\n7_0.0|CANCELLED|0:15||n1|9000|9100|python"
)
A_BY_PERSON_WAITING = "7_[0-3]|CANCELLED by 1001|0:0|0:0|None assigned|None|9100|b"
A_BY_SLURM = "7_0|CANCELLED|0:0|0:0|n1|9000|9100|b"
A_DROPPED = "7_[0-3]|CANCELLED|0:0|0:0|None assigned|None|9100|b"

SILENT = None
NOTHING = ""


def see(queue: str | None, accounts: str | None) -> Sight | None:
    found = sights(
        None if queue is None else parse_queue(queue, NOW),
        None if accounts is None else parse_accounts(accounts),
    )
    return found.get(("b", 0))


@pytest.mark.parametrize(
    ("queue", "accounts", "liveness", "cls"),
    [
        # The controller has it in its queue: whatever the database still, or already, says.
        (PENDING, NOTHING, "alive", None),
        (PENDING, A_PENDING, "alive", None),
        (PENDING, A_NODE_FAIL, "alive", None),  # requeued
        (PENDING, A_PREEMPTED, "alive", None),
        (PENDING, A_REQUEUED, "alive", None),
        (PENDING, A_TIMEOUT, "alive", None),
        (RUNNING, NOTHING, "alive", None),
        (RUNNING, A_RUNNING, "alive", None),
        (RUNNING, A_COMPLETED, "alive", None),  # asked a moment later
        (RUNNING, SILENT, "alive", None),
        (COMPLETING, A_FAILED, "alive", None),
        # It has ended, and the controller alone tells how.
        (COMPLETED, NOTHING, "gone", None),
        (COMPLETED, A_RUNNING, "gone", None),
        (COMPLETED, SILENT, "gone", None),
        (PREEMPTED, A_RUNNING, "gone", "preempted"),
        (NODE_FAIL, A_RUNNING, "gone", "node"),
        (NODE_FAIL, SILENT, "gone", "node"),
        (DROPPED, NOTHING, "gone", None),
        (DROPPED, SILENT, "gone", None),
        (DROPPED_TOO, NOTHING, "gone", None),
        (CANCELLED_WAITING, NOTHING, "gone", "cancelled"),
        (CANCELLED_WAITING, SILENT, "gone", "cancelled"),
        # It has ended, and the database will soon tell more: by whom, or of what.
        (FAILED, A_RUNNING, "unknown", None),
        (FAILED, NOTHING, "unknown", None),
        (TIMEOUT, A_RUNNING, "unknown", None),
        (CANCELLED, A_RUNNING, "unknown", None),
        # The database has told it, or there is none, or it has had its time.
        (FAILED, A_FAILED, "gone", None),
        (FAILED, A_MEMORY, "gone", "host-oom"),
        (FAILED, SILENT, "gone", None),
        (FAILED_LONG_AGO, A_RUNNING, "gone", None),
        (FAILED_LONG_AGO, NOTHING, "gone", None),
        (TIMEOUT, A_TIMEOUT, "gone", "time-limit"),
        (TIMEOUT, A_HUNG, "gone", "host-oom"),  # a rank was killed, the others waited for it
        (TIMEOUT, SILENT, "gone", "time-limit"),
        (CANCELLED, A_BY_PERSON, "gone", "cancelled"),
        (CANCELLED, A_BY_SLURM, "gone", "unknown"),
        (CANCELLED, SILENT, "gone", "cancelled"),
        (CANCELLED_LONG_AGO, A_RUNNING, "gone", "cancelled"),
        (CANCELLED_WAITING, A_BY_PERSON_WAITING, "gone", "cancelled"),
        (DROPPED, A_DROPPED, "gone", None),
        (DROPPED, A_BY_PERSON_WAITING, "gone", "cancelled"),
        # The controller has forgotten it, and the database has its end.
        (NOTHING, A_COMPLETED, "gone", None),
        (NOTHING, A_SPARED, "gone", None),
        (NOTHING, A_FAILED, "gone", None),
        (NOTHING, A_MEMORY, "gone", "host-oom"),
        (NOTHING, A_WHOLE, "gone", "host-oom"),
        (NOTHING, A_TIMEOUT, "gone", "time-limit"),
        (NOTHING, A_PREEMPTED, "gone", "preempted"),
        (NOTHING, A_NODE_FAIL, "gone", "node"),
        (NOTHING, A_BOOT_FAIL, "gone", "node"),
        (NOTHING, A_BY_PERSON, "gone", "cancelled"),
        (NOTHING, A_BY_PERSON_WAITING, "gone", "cancelled"),
        (NOTHING, A_BY_SLURM, "gone", "unknown"),
        (NOTHING, A_DROPPED, "gone", None),
        # The controller does not have it, and the database may be late: nobody knows.
        (NOTHING, A_RUNNING, "unknown", None),
        (NOTHING, A_PENDING, "unknown", None),
        (NOTHING, A_REQUEUED, "unknown", None),
        # The controller is silent: only a good end is one, a bad one may be in the queue again.
        (SILENT, A_COMPLETED, "gone", None),
        (SILENT, A_RUNNING, "alive", None),
        (SILENT, A_PENDING, "alive", None),
        (SILENT, A_FAILED, "unknown", None),
        (SILENT, A_NODE_FAIL, "unknown", None),
        (SILENT, A_BY_PERSON, "unknown", None),
        # A later Slurm's word, which may mean anything.
        (STRANGE, SILENT, "unknown", None),
        (STRANGE, A_COMPLETED, "unknown", None),
    ],
)
def test_the_two_memories_together(
    queue: str | None, accounts: str | None, liveness: str, cls: str | None
) -> None:
    sight = see(queue, accounts)
    assert sight is not None
    assert (sight.liveness, sight.failure and sight.failure.cls) == (liveness, cls)
    assert sight.asked == (queue is not SILENT)
    assert sight.job == "7_0"


@pytest.mark.parametrize("queue", [SILENT, NOTHING])
@pytest.mark.parametrize("accounts", [SILENT, NOTHING])
def test_a_job_that_neither_knows_is_absent(queue: str | None, accounts: str | None) -> None:
    assert see(queue, accounts) is None


@pytest.mark.parametrize(
    ("queue", "accounts", "dropped"),
    [
        (DROPPED, NOTHING, True),
        (DROPPED, SILENT, True),
        (DROPPED_TOO, NOTHING, True),
        (NOTHING, A_DROPPED, True),
        (CANCELLED_WAITING, A_DROPPED, True),
        (CANCELLED_WAITING, NOTHING, False),
        (DROPPED, A_BY_PERSON_WAITING, False),
        (NOTHING, A_BY_PERSON_WAITING, False),
        (NOTHING, A_BY_SLURM, False),
        (FAILED, A_FAILED, False),
    ],
)
def test_only_what_the_scheduler_ended_before_it_began_was_dropped(
    queue: str, accounts: str | None, dropped: bool
) -> None:
    sight = see(queue, accounts)
    assert sight is not None
    assert sight.dropped == dropped


def test_a_waiting_job_says_why_and_a_running_one_where() -> None:
    waits, runs = see(PENDING, NOTHING), see(RUNNING, NOTHING)
    assert waits is not None
    assert runs is not None
    assert (waits.reason, waits.node, waits.waits) == (
        "jobs of higher priority are ahead of it", "", True)  # fmt: skip
    assert (runs.reason, runs.node, runs.waits) == ("", "n1", False)


def test_a_job_that_slurm_holds_for_ever_is_stuck() -> None:
    held = see(PENDING.replace("Priority", "launch failed requeued held"), NOTHING)
    assert held is not None
    assert held.stuck
    assert "hold" in held.reason
    waits = see(PENDING, NOTHING)
    assert waits is not None
    assert not waits.stuck


def test_a_failure_is_a_sentence_with_slurms_own_words() -> None:
    lines = [see(NOTHING, rows) for rows in (A_TIMEOUT, A_MEMORY, A_BY_PERSON_WAITING)]
    assert [sight and sight.failure and sight.failure.line for sight in lines] == [
        "Slurm ended it at its time limit (TIMEOUT on n1)",
        "it needed more memory than it had asked for (OUT_OF_MEMORY in step 0 on n1)",
        "a person cancelled it while it waited (CANCELLED by 1001)",
    ]


def test_of_several_nodes_none_is_blamed() -> None:
    for nodes, node in (("n1", "n1"), ("n[1-2]", ""), ("n1,m1", "")):
        sight = see(NOTHING, A_NODE_FAIL.replace("|n1|", f"|{nodes}|"))
        assert sight is not None
        assert sight.failure is not None
        assert sight.failure.node == node


def test_where_steps_are_not_accounted_for_the_jobs_own_row_has_the_signal() -> None:
    sight = see(NOTHING, "7_0|FAILED|137:0|0:9|n1|9000|9100|b")
    assert sight is not None
    assert sight.failure is not None
    assert sight.failure.line == "a step ended by signal 9 (SIGKILL) on n1"


def test_a_step_that_was_asked_to_end_was_not_ended_by_a_signal() -> None:
    """srun --kill-on-bad-exit asks the other tasks to when one has failed."""
    sight = see(
        NOTHING, "7_0|FAILED|15:0|0:15|n1|9000|9100|b\n7_0.0|CANCELLED|0:15||n1|9000|9100|x"
    )
    assert sight is not None
    assert sight.failure is None
    assert sight.facts == ("Slurm: FAILED, exit 15:0; step 0: CANCELLED, exit 0, signal 15",)


def test_a_tasks_own_row_outdoes_the_one_that_it_shared_before() -> None:
    for rows in (f"{A_FAILED}\n{A_BY_PERSON_WAITING}", f"{A_BY_PERSON_WAITING}\n{A_FAILED}"):
        found = sights([], parse_accounts(rows))
        assert found["b", 0].state == "FAILED"
        assert found["b", 3].state == "CANCELLED by 1001"


def test_what_is_left_of_a_cancelled_array_says_nothing_of_its_tasks() -> None:
    """Slurm lists it without an index, beside a task that runs."""
    left = f"7|N/A|b|CANCELLED||{JUST}|{JUST}|JobArrayTaskLimit"
    for rows in (f"{RUNNING}\n{left}", f"{left}\n{RUNNING}"):
        assert sights(parse_queue(rows, NOW), None)["b", 0].liveness == "alive"


def test_of_two_arrays_of_one_name_the_living_one_counts_and_then_the_later() -> None:
    def states(*rows: str) -> str:
        return sights(parse_queue("\n".join(rows), NOW), None)["b", 0].job

    later = COMPLETED.replace("7|", "12|", 1)
    assert states(RUNNING, later) == states(later, RUNNING) == "7_0"
    assert states(COMPLETED, later) == states(later, COMPLETED) == "12_0"


VANISHED = ("b", 3)


def vanished(queue: list[QueueRow] | None, accounts: list[AccountRow] | None) -> Sight | None:
    return sights(queue, accounts, [VANISHED, ("b", 0), ("other", 3)]).get(VANISHED)


def test_a_task_that_its_known_array_has_no_more_was_cancelled_while_it_waited() -> None:
    array = parse_queue(RUNNING, NOW)
    for accounts in (A_RUNNING, f"{A_RUNNING}\n7_[1-3]|PENDING|None assigned|Unknown|Unknown|b"):
        sight = vanished(array, parse_accounts(accounts))
        assert sight is not None
        assert sight.failure is not None
        assert (sight.liveness, sight.failure.cls, sight.job) == ("gone", "cancelled", "7_3")
    found = sights(array, parse_accounts(A_RUNNING), [VANISHED, ("b", 0), ("other", 3)])
    assert found["b", 0].liveness == "alive"
    assert ("other", 3) not in found


def test_a_task_that_began_or_of_which_somebody_was_not_asked_has_not_vanished() -> None:
    array, began = parse_queue(RUNNING, NOW), "7_3|RUNNING|0:0|0:0|n1|9000|Unknown|b"
    late = vanished(array, parse_accounts(began))
    assert late is not None
    assert late.liveness == "unknown"
    assert vanished(array, None) is None
    assert vanished(None, parse_accounts(A_RUNNING)) is None
    assert vanished([], parse_accounts(A_RUNNING)) is None


def test_a_task_that_left_a_sign_that_it_began_was_not_cancelled_while_it_waited() -> None:
    """The controller has forgotten its end, and the database has yet to be told."""
    array, books = parse_queue(RUNNING, NOW), parse_accounts(A_RUNNING)
    asked: list[tuple[str, int]] = []

    def began(job: tuple[str, int]) -> bool:
        asked.append(job)
        return job == VANISHED

    found = sights(array, books, [VANISHED, ("b", 0), ("b", 4), ("other", 3)], began)
    assert VANISHED not in found
    assert (found["b", 4].liveness, found["b", 0].liveness) == ("gone", "alive")
    assert sorted(asked) == sorted([VANISHED, ("b", 4)]), (
        "files are looked for where nothing else tells"
    )
