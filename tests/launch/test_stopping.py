"""A request to stop: signals set a flag, and the flag knows why."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.launch.slurm.test_watch import submit
from xtl.launch.records import Submission
from xtl.launch.stopping import StopFlag
from xtl.launch.store import Store


@pytest.fixture
def flag() -> Iterator[StopFlag]:
    """Handlers as a job has them; this process gets its own back."""
    numbers = (signal.SIGTERM, signal.SIGUSR2)
    own = {number: signal.getsignal(number) for number in numbers}
    yield StopFlag.install()
    for number, handler in own.items():
        signal.signal(number, handler)


@pytest.fixture
def submission(tmp_path_factory: pytest.TempPathFactory) -> Submission:
    (found,) = submit(Store(tmp_path_factory.mktemp("sweep")), 1)
    return found.model_copy(update={"minutes": 60, "signal_seconds": 120})


def test_nothing_is_asked_until_a_signal_comes(flag: StopFlag) -> None:
    assert not flag.requested


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_only_sets_the_flag(flag: StopFlag, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert flag.requested
    assert flag.signal == number


def test_the_first_signal_counts(flag: StopFlag) -> None:
    """At its limit a job that still saves gets SIGTERM after the warning."""
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGTERM)
    assert flag.signal == signal.SIGUSR2


@pytest.mark.parametrize(
    ("number", "ran_min", "cause"),
    [
        (signal.SIGUSR2, 58.5, "time-limit"),
        (signal.SIGUSR2, 57.2, "time-limit"),  # Slurm's clock may be a minute ahead
        (signal.SIGUSR2, 30, "preempted"),  # where the cluster warns of preemption, too
        (signal.SIGTERM, 58.5, "preempted"),
    ],
)
def test_the_cause_is_told_by_the_signal_and_the_time(
    flag: StopFlag,
    submission: Submission,
    number: signal.Signals,
    ran_min: float,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    os.kill(os.getpid(), number)
    now = psutil.Process().create_time() + 60 * ran_min
    monkeypatch.setattr("xtl.launch.stopping.time.time", lambda: now)
    assert flag.cause(submission) == cause


def test_a_job_without_a_limit_is_never_at_it(flag: StopFlag, submission: Submission) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    time.sleep(0.01)
    assert flag.cause(submission.model_copy(update={"minutes": 0})) == "preempted"
