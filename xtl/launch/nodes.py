"""Nodes that are left out: named by hardware evidence, for a time, until a person readmits them.

One file a node under `nodes/`. What Slurm itself knows of a node (down, drained) is no matter of
ours: it sends no job there, and takes the node back when it is well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from xtl.files import names_in, write_whole
from xtl.launch.records import ExcludedNode, Failure, read_record
from xtl.launch.states import Evidence, State


class Nodes:
    """Those that a sweep has excluded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[ExcludedNode]:
        """By name, those whose time is over or that were readmitted too."""
        found = (
            read_record(self._folder / n, ExcludedNode) for n in sorted(names_in(self._folder))
        )
        return [entry for entry in found if entry]

    def excluded(self, now: float) -> list[ExcludedNode]:
        return [entry for entry in self.all() if now < entry.until]

    def exclude(self, entry: ExcludedNode) -> None:
        write_whole(self._folder / f"{entry.node}.json", entry.model_dump_json(indent=1))

    def readmit(self, node: str, now: float) -> bool:
        """False where it is not excluded. The evidence so far no longer counts against it."""
        for entry in self.excluded(now):
            if entry.node == node:
                self.exclude(entry.model_copy(update={"until": now}))
                return True
        return False


def to_exclude(
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
    before: Iterable[ExcludedNode],
    hours: float,
    now: float,
) -> list[ExcludedNode]:
    """Nodes that a failure of class `node` blames, by a log or a rank's own word, and that were not
    excluded for it before. Pure."""
    old = {(entry.node, entry.shard, entry.attempt) for entry in before}
    found: dict[str, ExcludedNode] = {}
    for shard, state in known.items():
        own, failure = evidence[shard], state.failure
        number = own.attempts[-1].claim.attempt if own.attempts else 0
        if failure and _is_hardware(failure) and (failure.node, shard, number) not in old:
            found[failure.node] = ExcludedNode(
                node=failure.node,
                line=failure.line,
                shard=shard,
                attempt=number,
                since=now,
                until=now + 3600 * hours,
            )
    return list(found.values())


def _is_hardware(failure: Failure) -> bool:
    """Slurm's own NODE_FAIL comes without a line of a log, and without a rank."""
    told = bool(failure.file) or failure.rank is not None
    return failure.cls == "node" and bool(failure.node) and told
