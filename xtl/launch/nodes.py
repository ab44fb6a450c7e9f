"""Nodes that are left out: named by hardware evidence, for a time, until a person readmits them.

One file a node under `nodes/`. What Slurm itself knows of a node (down, drained) is no matter of
ours: it sends no job there, and takes the node back when it is well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xtl.files import names_in, write_whole
from xtl.launch.failures import fingerprint
from xtl.launch.records import ExcludedNode, Failure, read_record
from xtl.launch.states import Evidence, State

MOST_ALIKE = 3
"""So many nodes are left out for one fault. Where a fourth has it, it is no node's own."""


class Nodes:
    """Those that a sweep has excluded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[ExcludedNode]:
        """By name, those whose time is over or that were readmitted too."""
        names = sorted(name for name in names_in(self._folder) if name.endswith(".json"))
        found = (read_record(self._folder / name, ExcludedNode) for name in names)
        return [entry for entry in found if entry]

    def excluded(self, now: float) -> list[ExcludedNode]:
        return [entry for entry in self.all() if now < entry.until]

    def spared(self, now: float) -> list[ExcludedNode]:
        """Those that are blamed, and kept, since others were left out that still are."""
        since = min((entry.since for entry in self.excluded(now)), default=now)
        return [entry for entry in self.all() if is_spared(entry) and since <= entry.since]

    def exclude(self, entry: ExcludedNode) -> None:
        write_whole(self._folder / f"{entry.node}.json", entry.model_dump_json(indent=1))

    def readmit(self, node: str, now: float) -> bool:
        """False where it is not excluded. What began there so far no longer counts against it."""
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
    most: int | None = None,
) -> list[ExcludedNode]:
    """Nodes that a failure of class `node` blames, by a log or a rank's own word, in a try that
    began since they were last left out; none where `hours` is 0. Pure.

    `most`: how many may be left out in all, for jobs to find the nodes that they need; None: not
    known. One too many, in all or for one fault, is spared: entered, and not left out.
    """
    if not hours:
        return []
    old = {entry.node: entry for entry in before}
    out = [entry for entry in old.values() if now < entry.until]
    found: dict[str, ExcludedNode] = {}
    for entry, began in _blamed(known, evidence, hours, now):
        last, this = old.get(entry.node), found.get(entry.node)
        if (last and began <= min(last.until, now)) or (this and not is_spared(this)):
            continue
        alike = sum(_fault(other) == _fault(entry) for other in out)
        if alike < MOST_ALIKE and (most is None or len(out) < most):
            out.append(entry)
            found[entry.node] = entry
        elif not this:
            found[entry.node] = entry.model_copy(update={"until": now})
    return list(found.values())


def told(blamed: Iterable[ExcludedNode], before: Iterable[ExcludedNode], hours: float) -> list[str]:
    """What a person is told of those that `to_exclude` has found: of a fault that too many nodes
    have once in those hours. Pure."""
    known = [entry for entry in before if is_spared(entry)]
    lines = []
    for entry in blamed:
        if not is_spared(entry):
            lines.append(f"node {entry.node} is left out: {entry.line}")
        elif not any(_is_known(entry, other, hours) for other in known):
            known.append(entry)
            lines.append(spared_line(entry))
    return lines


def spared_line(entry: ExcludedNode) -> str:
    """For a person: it may be no node's own fault."""
    return f"node {entry.node} is blamed, and kept, as too many are left out: {entry.line}"


def is_spared(entry: ExcludedNode) -> bool:
    """Whether it was blamed, and never left out."""
    return entry.until <= entry.since


def _is_known(entry: ExcludedNode, other: ExcludedNode, hours: float) -> bool:
    return _fault(entry) == _fault(other) and entry.since < other.since + 3600 * hours


def _fault(entry: ExcludedNode) -> str:
    return fingerprint(Failure(cls="node", line=entry.line, node=entry.node))


def _blamed(
    known: Mapping[str, State], evidence: Mapping[str, Evidence], hours: float, now: float
) -> Iterator[tuple[ExcludedNode, float]]:
    """What would be entered, and when the try began; of a job that ended before that, when this was
    noticed. In seconds since the epoch."""
    for shard, state in known.items():
        failure, own = state.failure, evidence[shard]
        if not failure or not _is_hardware(failure):
            continue
        number, began = 0, 0.0
        if own.false_starts:
            number, began = own.false_starts[-1].attempt, own.false_starts[-1].time
        elif own.attempts:
            number, began = own.attempts[-1].claim.attempt, own.attempts[-1].claim.started
        node, line, until = failure.node, failure.line, now + 3600 * hours
        yield (
            ExcludedNode(node=node, line=line, shard=shard, attempt=number, since=now, until=until),
            began,
        )


def _is_hardware(failure: Failure) -> bool:
    """Slurm's own NODE_FAIL comes without a line of a log, and without a rank."""
    told = bool(failure.file) or failure.rank is not None
    return failure.cls == "node" and bool(failure.node) and told
