"""What the launcher asks of whoever runs jobs: the slots of this machine, or Slurm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from xtl.launch.drafts import Drafts
from xtl.launch.observe import Observation
from xtl.launch.reconcile import Bundle
from xtl.launch.records import Submission
from xtl.launch.sight import Sight
from xtl.launch.store import Store


class Scheduler(Protocol):
    ahead: bool
    """Whether it can hold a job back until the parents of its shards are there."""

    @property
    def said(self) -> str:
        """What it last had to say against being asked or submitted to; empty: nothing."""

    def look(self, store: Store, submissions: Sequence[Submission]) -> dict[str, Sight]:
        """Its word on each of these submissions (one at least), in as few questions as it takes."""

    def submit(
        self, drafts: Drafts, bundles: Sequence[Bundle], seen: Observation
    ) -> list[Submission]:
        """As many of `bundles`, best first, as there is room for beside what is alive."""
