"""What a scheduler says of one job: alive or not, where, why it waits, why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xtl.launch.records import Failure

Liveness = Literal["alive", "gone", "unknown", "lost"]
"""`unknown`: nobody can be asked about the job; `lost`: and it has been silent for too long."""

Remedy = Literal["release", "cancel"]


@dataclass(frozen=True)
class Sight:
    """A scheduler's word on a job. The default is nobody's word: `unknown`, and asked for."""

    liveness: Liveness = "unknown"  # `unknown`: nobody knows it, or nobody could be asked
    state: str = ""  # the scheduler's own word: PENDING, RUNNING, TIMEOUT, CANCELLED by 0 ...
    reason: str = ""  # why it waits, in words for people
    node: str = ""  # where it runs or ran
    asked: bool = True  # False: the scheduler did not answer, so absence proves nothing
    failure: Failure | None = None  # what the scheduler alone knows of a bad end
    facts: tuple[str, ...] = ()  # its account of an end: state, exit codes, signals
    dropped: bool = False  # ended by the scheduler before it began: no try was used up
    stuck: bool = False  # it waits, and will for ever unless somebody acts
    remedy: Remedy | None = None  # what ends that, where the launcher may do it
    job: str = ""  # its id, by which a job whose launcher died is found again

    @property
    def waits(self) -> bool:
        """In the queue, for the first time or again."""
        return self.state in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
