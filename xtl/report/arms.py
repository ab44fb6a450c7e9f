"""Arms that select: what chooses their checkpoints, in words, and which were handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from xtl.report.data import HandedOver, ReportData
from xtl.report.numbers import ABSENT, count
from xtl.sweep.arms import Arm
from xtl.sweep.cells import Cell
from xtl.sweep.plan import Plan
from xtl.sweep.shard import TrainSpec

HEADINGS = ["intermediate data", "training", "checkpoint at", "range", "stopped early"]

TITLE = "Which checkpoint was handed over"

HOW = (
    "Where in its training the chosen checkpoint stood, as a share of the planned updates: mean "
    "and range over replicates (* fewer than planned)."
)

_CHOSEN = "the checkpoint is chosen"
_BY = {False: "by held-out rows", True: "with a look at the evaluation sets: no result"}


def selected_by(plan: Plan, arm: Arm) -> str:
    """What an arm's checkpoints are chosen by, in full; "" where the last one is handed over."""
    if arm.selection is None:
        return ""
    if arm.oracle:
        return f"{_CHOSEN} with a look at the target's evaluation sets: no result"
    stops = any(_may_stop(plan, cell) for cell in plan.cells if cell.arm == arm.name)
    early = ", and trainings may stop early" if stops else ""
    best = f"the best of {arm.selection.evaluations}"
    return f"{_CHOSEN} on {count(arm.held_out)} held-out rows of each task at most, {best}{early}"


def arm_line(data: ReportData, *names: str) -> str:
    """A few words on each of these arms that selects; of all arms where none is named."""
    chosen = [arm for arm in data.manifest.arms if not names or arm.name in names]
    return " ".join(f"Arm {arm.name}: {_briefly(arm)}." for arm in chosen if arm.selection)


def _briefly(arm: Arm) -> str:
    return f"the best checkpoints, {_BY[arm.oracle]}"


@dataclass(frozen=True)
class ArmBlock:
    """An arm's trainings, a row for each place in the design."""

    title: str
    rows: list[list[str]]


def handed_over(data: ReportData) -> list[ArmBlock]:
    """Of each arm that selects, which checkpoints its trainings handed over."""
    arms = [arm for arm in data.manifest.arms if arm.selection]
    return [ArmBlock(f"arm {arm.name}: {_briefly(arm)}", list(_rows(data, arm))) for arm in arms]


def _rows(data: ReportData, arm: Arm) -> Iterator[list[str]]:
    """Size 0 first, once for all tasks; then each task's sizes, intermediate trainings first."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    early: set[tuple[str, str]] = set()
    own = [cell for cell in data.plan.cells if cell.arm == arm.name]
    for cell in sorted(own, key=lambda cell: _order(cell, data.manifest.labels)):
        shard = data.plan.shards[cell.checkpoint] if cell.checkpoint else None
        if shard and isinstance(shard.spec, TrainSpec) and shard.spec.selection:
            training = f"target {cell.target}" if cell.target else "intermediate"
            place = _after(cell), training
            found.setdefault(place, {})[shard.id] = shard.spec.updates
            early.update([place] if _may_stop(data.plan, cell) else [])
    for place, updates in found.items():
        yield [*place, *_said(updates, data.handed_over, early=place in early)]


def _may_stop(plan: Plan, cell: Cell) -> bool:
    """Whether the cell's training can end early: a short one has no patience left."""
    spec = plan.shards[cell.checkpoint].spec if cell.checkpoint else None
    chosen = spec.selection if isinstance(spec, TrainSpec) else None
    return chosen is not None and chosen.patience is not None


def _order(cell: Cell, tasks: Sequence[str]) -> tuple[int, int]:
    return (tasks.index(cell.task) if cell.examples else -1), cell.examples


def _after(cell: Cell) -> str:
    return f"{cell.task} {cell.size}" if cell.examples else "size 0"


def _said(
    planned: Mapping[str, int], handed: Mapping[str, HandedOver], *, early: bool
) -> tuple[str, str, str]:
    """Mean, range and early ends of trainings; `planned` are their updates, by shard."""
    done = {shard: handed[shard] for shard in planned if shard in handed}
    if not done:
        return ABSENT, ABSENT, ABSENT
    shares = [each.selected / planned[shard] for shard, each in done.items()]
    stopped = sum(each.updates < planned[shard] for shard, each in done.items())
    mean = _percent(fmean(shares)) + ("*" if len(done) < len(planned) else "")
    low, high = _percent(min(shares)), _percent(max(shares))
    return (
        mean,
        ABSENT if len(shares) < 2 else low if low == high else f"{low}–{high}",
        f"{stopped} of {len(done)}" if early else ABSENT,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
