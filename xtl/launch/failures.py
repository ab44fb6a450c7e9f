"""Failures: from evidence to a class, and from a class to what is done about it. Pure."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from xtl.errors import ConfigurationError, UserError
from xtl.launch.records import Attempt, Failure, FailureClass

RETRIES: dict[FailureClass, int] = {
    "communication": 2,
    "node": 2,
    "host-oom": 1,
    "unknown": 2,
}
"""How often a class is tried again by itself. Absent: never, a person looks at it first."""

PATIENCE: dict[FailureClass, int] = {"preempted": 10, "time-limit": 3}
"""Resumed without limit while steps advance: one at least of so many attempts must get further."""

_STORAGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ESTALE})
_STORAGE_WORDS = ("no space left", "quota exceeded", "stale file handle")
_CASCADE = ("connection closed", "connection reset", "gloo", "nccl", "socket", "broken pipe")
_GPU_MEMORY = "out of memory"


def classify_exception(error: BaseException) -> FailureClass:
    """The class of what a rank raised."""
    text = str(error).lower()
    if type(error).__name__ == "DivergedError":
        return "diverged"
    if isinstance(error, UserError):
        return "configuration" if isinstance(error, ConfigurationError) else "data"
    if type(error).__name__ == "DamagedError":
        return "node"  # what was written and checked there reads otherwise: again, elsewhere
    if isinstance(error, MemoryError):
        return "host-oom"
    if "OutOfMemory" in type(error).__name__ or ("cuda" in text and _GPU_MEMORY in text):
        return "gpu-oom"
    full = any(word in text for word in _STORAGE_WORDS)  # torch and safetensors wrap the errno
    if full or (isinstance(error, OSError) and error.errno in _STORAGE):
        return "storage"
    lost = isinstance(error, (ConnectionError, RuntimeError))
    if lost and any(word in text for word in _CASCADE):
        return "communication"
    return "code"


def root_cause(noted: Sequence[Failure]) -> Failure | None:
    """The first failure that is no echo: a person's word, then a rank's own, then the scheduler's
    (which has no rank), and last a lost connection, which is a cascade of another rank's end."""

    def echo(failure: Failure) -> int:
        cascade = 2 if failure.cls == "communication" else int(failure.rank is None)
        return -1 if failure.cls == "cancelled" else cascade

    return min(noted, key=echo, default=None)


def failure_of(attempt: Attempt, noted: Sequence[Failure]) -> Failure:
    """Why an attempt that is over did not finish. Unknown stays unknown."""
    own = attempt.end.failure if attempt.end else None
    root = root_cause([*noted, own] if own else noted)
    if attempt.end and attempt.end.status == "stopped" and not (root and root.cls == "cancelled"):
        line = f"asked to stop, saved at step {attempt.end.step}"
        return Failure(cls=attempt.end.cause, line=line)
    if root and (root.cls != "communication" or attempt.end):
        return root
    silent = "rank 0 ended without a word"
    return Failure(cls="unknown", line=f"{silent}; {root.line}" if root else silent)


def retried(cls: FailureClass, failures: Sequence[FailureClass], advanced: bool) -> bool:
    """Whether a shard whose counted failures are `failures`, the last of `cls`, runs again."""
    if cls in PATIENCE:
        return advanced
    return failures.count(cls) <= RETRIES.get(cls, 0)
