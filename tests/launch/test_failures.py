"""From what a rank raised to a class, and from all ranks' words to the root cause. Pure."""

from __future__ import annotations

import errno

import pytest

from tests.launch.records import attempt, failed
from xtl.errors import ConfigurationError, UserError
from xtl.launch.failures import classify_exception, failure_of, root_cause
from xtl.launch.records import Failure, FailureClass
from xtl.train.checkpoint import DamagedError
from xtl.train.update import DivergedError


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "storage"),
        (
            RuntimeError("PytorchStreamWriter failed writing file: No space left on device"),
            "storage",
        ),
        (OSError(errno.ESTALE, "Stale file handle"), "storage"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "gpu-oom"),
        (MemoryError(), "host-oom"),
        (RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:1"), "communication"),
        (ConnectionResetError("Connection reset by peer"), "communication"),
        (UserError("pool.jsonl: row 3: found no column"), "data"),
        (ConfigurationError("engine.precision: found fp16 on a CPU"), "configuration"),
        (DivergedError("update 7: the loss is nan"), "diverged"),
        (DamagedError("step-000004, the best checkpoint: found no such file"), "node"),
        (KeyError("x"), "code"),
        (RuntimeError("shape mismatch"), "code"),
        (FileNotFoundError("no such file"), "code"),
    ],
)
def test_what_a_rank_raised_has_a_class(error: BaseException, cls: FailureClass) -> None:
    assert classify_exception(error) == cls


def test_a_lost_connection_is_the_root_only_when_nothing_else_is() -> None:
    lost = Failure(cls="communication", line="closed", rank=0)
    cause = Failure(cls="storage", line="full", rank=1)
    assert root_cause([lost, cause]) == cause
    assert root_cause([lost]) == lost
    assert root_cause([]) is None


def test_a_rank_0_that_ended_without_a_word_is_unknown_with_what_others_saw() -> None:
    lost = Failure(cls="communication", line="Connection closed by peer", rank=1)
    found = failure_of(attempt(1), [lost])
    assert found.cls == "unknown"
    assert found.line == "rank 0 ended without a word; Connection closed by peer"


def test_an_attempt_that_ended_says_its_own_failure() -> None:
    assert failure_of(attempt(1, failed("code")), []).cls == "code"
