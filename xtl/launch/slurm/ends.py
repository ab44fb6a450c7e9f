"""How a job ended, by the database's rows of it and of its steps: a sentence, and facts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from xtl.launch.records import Failure, FailureClass
from xtl.launch.slurm.rows import AccountRow

_OUT_OF_MEMORY = 125  # what Slurm gives for a signal where the kernel ended a task for want of it
# By which a program is ended that did not ask for it, nor was asked to end.
_SIGNALS = {
    4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV"
}  # fmt: skip
_SLURMS_OWN = ("batch", "extern")  # the script, and what came in from outside: no rank runs there
_SAID: dict[str, tuple[FailureClass, str]] = {
    "TIMEOUT": ("time-limit", "Slurm ended it at its time limit"),
    "PREEMPTED": ("preempted", "Slurm gave its nodes to a job that goes before it"),
    "NODE_FAIL": ("node", "a node of its failed"),
    "BOOT_FAIL": ("node", "a node of its did not boot"),
    "LAUNCH_FAILED": ("node", "a node of its could not launch it"),
    "RECONFIG_FAIL": ("node", "a node of its could not be set up"),
    "DEADLINE": ("unknown", "Slurm ended it at its deadline"),
    "REVOKED": ("unknown", "another cluster of the federation took it"),
}


@dataclass(frozen=True)
class Account:
    """All that the database has of one job."""

    row: AccountRow
    steps: tuple[AccountRow, ...] = ()

    @property
    def out_of_memory(self) -> str:
        """The step whose processes ran out of it."""
        rows = [row for row in (self.row, *self.steps) if row.word == "OUT_OF_MEMORY"]
        return (rows[-1].step or "the job") if rows else ""

    @property
    def killed(self) -> tuple[str, int]:
        """The first step that a signal ended which nobody asks a program to end with, and which;
        0: none. The job's own row has it where steps are not accounted for."""
        for row in self.steps:
            if row.exit.signal in _SIGNALS:
                return f"step {row.step}", row.exit.signal
        derived = 0 if self.steps else self.row.derived.signal
        return "a step", derived if derived in _SIGNALS else 0


def why(state: str, node: str, account: Account | None) -> Failure | None:
    """What a state, and the steps, tell of a bad end, in a sentence; FAILED says nothing by itself.
    By which signal a step ended is no class: of a bare SIGKILL nobody knows who sent it."""
    word, on = state.partition(" ")[0], f" on {node}" if node else ""
    said = _said(state, word, on, account)
    if said is None:
        return None
    cls, line = said
    return Failure(cls=cls, line=line, node=_one(node), facts=facts(state, account))


def _said(
    state: str, word: str, on: str, account: Account | None
) -> tuple[FailureClass, str] | None:
    if " by " in state:
        return "cancelled", cancelled(state, bool(account and account.row.start is None))
    if word == "OUT_OF_MEMORY" or (account and account.out_of_memory and word != "COMPLETED"):
        step = account.out_of_memory if account else ""
        where = f" in step {step}" if step and step != "the job" else ""
        line = f"it needed more memory than it had asked for (OUT_OF_MEMORY{where}{on})"
        return "host-oom", line
    if word == "CANCELLED":
        return "unknown", f"Slurm cancelled it and does not say why ({state}{on})"
    if word in _SAID:
        cls, said = _SAID[word]
        return cls, f"{said} ({state}{on})"
    step, signal = account.killed if account else ("", 0)
    if signal and word == "FAILED":
        return "unknown", f"{step} ended by signal {signal} ({_SIGNALS[signal]}){on}"
    return None


def cancelled(state: str, waited: bool) -> str:
    when = "while it waited" if waited else "while it ran"
    return f"a person cancelled it {when} ({state})"


def facts(state: str, account: Account | None) -> tuple[str, ...]:
    """States, exit codes and signals of a job that did not end well, in a line."""
    if state == "COMPLETED":
        return ()
    if account is None:
        return (f"Slurm: {state}",)
    told = (row for row in account.steps if row.step not in _SLURMS_OWN)
    steps = [_step(row) for row in told if row.exit or row.word != "COMPLETED"]
    return ("; ".join([f"Slurm: {state}, exit {account.row.exit}", *steps]),)


def _step(row: AccountRow) -> str:
    signal = row.exit.signal
    ended = f", signal {signal}" if signal not in (0, _OUT_OF_MEMORY) else ""
    return f"step {row.step}: {row.word}, exit {row.exit.code}{ended}"


def _one(nodes: str) -> str:
    """A node's name where there is one alone: of several, nobody says which it was."""
    return "" if "," in nodes or "[" in nodes else nodes
