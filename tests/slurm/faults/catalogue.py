"""What a fault is to these tests, and all that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.slurm.faults.scene import Scene

Act = Callable[[Scene], str]
"""Makes the fault in a scene, checks what comes of it, and says what happened, in one sentence."""


@dataclass(frozen=True)
class Fault:
    """`title` and `how` are the table's; `act` is named as the statement that it proves.

    `place`: where the sweep runs; `profile`: keys that its profile has; `manifest`: keys that its
    manifest has; `chains`: how many there are of a training and its evaluation; `slowly`: seconds
    that an update takes; `planted`: code at the end of modules; `waits_for`: what xtl does not do
    yet.
    """

    title: str
    how: str
    act: Act
    place: Literal["slurm", "local", "no accounting"] = "slurm"
    profile: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    chains: int = 1
    slowly: float = 0.05
    planted: dict[str, str] = field(default_factory=dict)
    quick: bool = False  # one of those that `make test` makes
    waits_for: str = ""

    @property
    def name(self) -> str:
        return self.act.__name__


FAULTS: list[Fault] = []


def fault(title: str, how: str, **settings: Any) -> Callable[[Act], Act]:
    """Put what follows among the faults."""

    def add(act: Act) -> Act:
        FAULTS.append(Fault(title, how, act, **settings))
        return act

    return add
