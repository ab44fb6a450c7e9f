"""What of a plan is there: done, degenerate, diverged, failed, under way and missing, told apart.

The three ways of having no good score are three things. A degenerate run is done and keeps its
score; a diverged one is a scientific result that gets the floor; one that is missing for reasons
of infrastructure says nothing about the question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xtl.analysis.summary import OWN_RECIPE
from xtl.sweep.cells import Cell
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard

Kind = Literal["done", "degenerate", "diverged", "failed", "blocked", "under way", "missing"]

KINDS: dict[Kind, str] = {
    "done": "finished, with a result",
    "degenerate": "finished, no better than guessing; the score is kept",
    "diverged": "the loss was no longer finite; a scientific result, scored at the floor",
    "failed": "stopped by an error, and not by the science",
    "blocked": "waits for a parent that has no good result",
    "under way": "running or queued",
    "missing": "not run yet, or lost, or in need of running again",
}
"""Each kind and what it means, in the order in which they are shown."""

FLOOR = 0.0
"""The score, in percent, that a diverged training is given (intention to treat)."""

_KIND_BY_STATE: dict[str, Kind] = {
    "done": "done", "failed": "failed", "blocked": "blocked",
    "running": "under way", "queued": "under way",
}  # fmt: skip


@dataclass(frozen=True)
class ShardState:
    """One shard's state in a word, the class of its failure if any, and its line of evidence."""

    state: str
    failure: str = ""
    line: str = ""
    degenerate: bool = False

    @property
    def kind(self) -> Kind:
        """States that are not known here (lost, stale, unknown, none) count as missing."""
        if self.state == "done" and self.degenerate:
            return "degenerate"
        if self.state == "failed" and self.failure == "diverged":
            return "diverged"
        return _KIND_BY_STATE.get(self.state, "missing")


@dataclass(frozen=True)
class Covered:
    """A planned shard and what is known of it."""

    shard: Shard
    state: ShardState

    @property
    def kind(self) -> Kind:
        return self.state.kind


def coverage(
    plan: Plan, states: Mapping[str, ShardState], *, control: bool = False
) -> dict[Kind, list[Covered]]:
    """Each kind's shards in the plan's order; a shard without a state is missing.

    Of all shards but those that the strong control alone asks for, or of these alone.
    """
    alone = control_shards(plan)
    covered: dict[Kind, list[Covered]] = {kind: [] for kind in KINDS}
    for shard in plan.shards.values():
        if (shard.id in alone) == control:
            entry = Covered(shard, _state(states, shard.id))
            covered[entry.kind].append(entry)
    return covered


def control_shards(plan: Plan) -> set[str]:
    """Shards that the strong control asks for, and no other cell."""
    asked = {shard for cell in plan.cells if cell.recipe != OWN_RECIPE for shard in _shards(cell)}
    if not asked:
        return asked
    return asked.difference(
        shard for cell in plan.cells if cell.recipe == OWN_RECIPE for shard in _shards(cell)
    )


def _shards(cell: Cell) -> Iterator[str]:
    yield from filter(None, (cell.intermediate, cell.checkpoint))
    yield from (shard for _, shard in cell.evaluations)


def _state(states: Mapping[str, ShardState], shard: str) -> ShardState:
    return states.get(shard, ShardState("not run"))


def diverged(plan: Plan, states: Mapping[str, ShardState]) -> set[str]:
    """Shards that diverged, and all that descend from them: the strong control's too."""
    found = {shard for shard in plan.shards if _state(states, shard).kind == "diverged"}
    for shard in plan.shards.values():  # parents come first
        if found.intersection(shard.parents):
            found.add(shard.id)
    return found


def intention_to_treat(table: pd.DataFrame, shards: Collection[str]) -> pd.DataFrame:
    """The table with the floor wherever one of `shards` (see `diverged`) has no value."""
    floored = table.copy()
    floored.loc[table["shard"].isin(list(shards)) & table["value"].isna(), "value"] = FLOOR
    return floored
