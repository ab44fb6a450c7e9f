"""What a failed command's words mean: Slurm was silent, or it said no. Pure."""

from __future__ import annotations

import re

_SILENCE = (
    "unable to contact",
    "connection refused",
    "connection timed out",
    "socket timed out",
    "connect failure",
    "connection reset",
    "failed to open persistent connection",
    "communication",
    "zero bytes",
    "zero length message",
    "failed to send entire message",
    "could not establish a configuration source",
    "unable to establish",
    "in standby mode",
    "only configured server",
    "message receive failure",
    "message send failure",
    "problem talking to the database",
    "unable to connect to database",
    "database is busy",
    "no route to host",
    "network is unreachable",
    "unable to resolve",
    "name resolution",
    "can't find an address",
    "incompatible versions of client and server",
    "controller not responding",
    "munge",
    "protocol authentication error",
    "authentication credential",
    "authentication agent",
)
_TITLE = re.compile(r"^(?:\w+: )?(?:error: |fatal: )?")  # `sbatch: error: `


class SlurmSilentError(Exception):
    """The controller or the database did not answer, so nothing is known. One line."""


class SlurmRefusedError(Exception):
    """Slurm answered, and said no. One line, its own words."""


def problem(command: str, said: str, code: int = 1) -> SlurmSilentError | SlurmRefusedError:
    """Which of the two a failed command's words are, in one line: a refusal's are all of use.
    `code`: its exit status, as a process or a shell gives it. One that a signal ended, or that
    failed without a word, has refused nothing: Slurm may have heard it."""
    lines = [_TITLE.sub("", line).strip() for line in said.splitlines()]
    words = [line for line in dict.fromkeys(lines) if line]
    signal = -code if code < 0 else max(0, code - 128)
    if signal or not words:
        how = f"signal {signal} ended it" if signal else "it failed without a word"
        return SlurmSilentError(f"{command}: {how}")
    if any(word in said.lower() for word in _SILENCE):
        return SlurmSilentError(f"{command}: {words[-1]}")
    return SlurmRefusedError(f"{command}: {'; '.join(words)}")
