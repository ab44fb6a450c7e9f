"""What becomes of a shard: what the policy says, held against who is there to do it; and what a
person can do next. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.ids import beginnings
from jobs.live import paused
from xtl.launch.records import Pause
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State
from xtl.sweep.plan import Plan

_NOBODY = "nobody submits it: `make sweep` goes on"


@dataclass(frozen=True)
class Drive:
    """Who takes a sweep's next step: a launcher that runs (`led`), or a job, which is not `asked`
    about where Slurm is silent; and the pause in which nobody does."""

    led: bool = False
    job: Sight | None = None
    pause: Pause | None = None

    @property
    def is_there(self) -> bool:
        """Somebody, or perhaps somebody."""
        return self.led or self.job is not None


def prospect(plan: Plan, shard: str, known: Mapping[str, State], drive: Drive) -> str:
    """What will really happen, in words; empty where that goes without saying."""
    state, pause = known[shard], _pause(drive)
    if not _is_to_be_submitted(state):
        return state.outlook
    if state.name == "missing":
        return _submitted(plan, shard, known, drive)
    said = state.outlook or "to be run again, as what it was made of has changed"
    if pause:
        return f"{said}; the sweep is {paused(pause)}"
    return said if drive.is_there else f"{said}; but {_NOBODY}"


def _pause(drive: Drive) -> Pause | None:
    """One that ends by itself does so where somebody waits for that."""
    if drive.pause and (drive.pause.cause == "repeated" or drive.is_there):
        return drive.pause
    return None


def _submitted(plan: Plan, shard: str, known: Mapping[str, State], drive: Drive) -> str:
    if pause := _pause(drive):
        return f"not submitted, as the sweep is {paused(pause)}"
    parents = plan.shards[shard].parents
    ahead = [plan.shards[each].name for each in parents if known[each].name != "done"]
    when = f"after {' and '.join(ahead)}" if ahead else "in its turn"
    if drive.led:
        return f"submitted by the launcher that runs, {when}"
    if drive.job and drive.job.asked:
        return f"submitted by job {drive.job.job}, which goes on by itself, {when}"
    if drive.job:
        return "Slurm does not answer: whether a job goes on that submits it, nobody knows"
    return _NOBODY


def _is_to_be_submitted(state: State) -> bool:
    return state.name in ("missing", "stale", "lost") or (state.name == "failed" and state.retry)


@dataclass(frozen=True)
class Step:
    """What a person may do, and the command for it."""

    aim: str
    command: str


def steps(
    plan: Plan, shard: str, own: Evidence, state: State, root: Path, drive: Drive
) -> Iterator[Step]:
    """Commands for a shell, with the shard as short as every verb takes it."""
    ids, place = beginnings(plan), f"--root {shlex.quote(str(root))}"
    name = ids.get(shard) or shlex.quote(plan.shards[shard].name)
    if own.attempts:
        yield Step("read its logs", f"xtl status {place} --logs {name}")
    if (own.attempts or own.false_starts) and state.name not in ("running", "queued"):
        yield Step("run it alone", f"xtl show {name} {place} --replay")
    if state.parent:
        parent = next(each.id for each in plan.shards.values() if each.name == state.parent)
        yield Step("why its parent", f"xtl status {place} --why {ids[parent]}")
    if _is_to_be_submitted(state) and not drive.is_there and not _pause(drive):
        yield Step("go on", f"xtl sweep {place}")
    yield from _acts(state, f"xtl resubmit {place}", name, drive)


def _acts(state: State, resubmit: str, name: str, drive: Drive) -> Iterator[Step]:
    """Where it takes a person."""
    stopped = drive.pause is not None and drive.pause.cause == "repeated"
    failed = state.name == "failed" and not state.retry
    cls = state.failure.cls if state.failure else ""
    if failed and cls != "diverged":
        aim = "once mended" if cls != "cancelled" else "run it again"
        code = " --with current" if cls == "code" else ""
        yield Step(aim, f"{resubmit} --shard {name}{code}{' --override' if stopped else ''}")
    elif stopped and _is_to_be_submitted(state):
        yield Step("once mended", f"{resubmit} --override")
