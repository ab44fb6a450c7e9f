"""What `xtl status` shows of a whole sweep: once, again and again, or as data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from jobs import accounts
from jobs.ids import beginnings
from jobs.live import counts_line, paused
from jobs.prospects import Drive
from jobs.table import Rows, below, node, seconds_left, short, starting, table
from jobs.watching import Picture
from xtl.launch.lease import Lease
from xtl.launch.observe import Observation
from xtl.launch.profile import SlurmProfile
from xtl.launch.records import ExcludedNode
from xtl.launch.session import Session
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State

BAD = frozenset({"failed", "blocked", "lost", "unknown"})


@dataclass
class View:
    """The whole sweep: what `status` shows, and again with `--watch`."""

    opened: Session
    every: bool
    failed: bool
    _asked: float = field(default=0.0, init=False)
    _job: Sight | None = field(default=None, init=False)
    _accountant: accounts.Accountant = field(init=False)

    def __post_init__(self) -> None:
        self._accountant = accounts.Accountant(self.opened)

    def data(self) -> dict[str, Any]:
        observation, known = self.opened.look()
        shown = {key: state for key, state in known.items() if not self.failed or _is_bad(state)}
        found = _data(self.opened, shown, observation.evidence, unattended(self.opened))
        books = self._accountant.books(known, observation.evidence)
        return found | {"accounts": books and accounts.as_data(books)}

    def picture(self, width: int, most: int | None = None) -> Picture:
        """`most` rows, with a line for those that are left out."""
        opened = self.opened
        observation, known = opened.look()
        job = self._going_on()
        shown = {key: state for key, state in known.items() if self._shows(state)}
        some = dict(list(shown.items())[: most and max(4, (most - 13) // 2)])
        rows = Rows(opened.plan, some, observation.evidence, starting(observation))
        parts: list[RenderableType] = _head(opened, known, job)
        if books := self._accountant.books(known, observation.evidence):
            parts += accounts.lines(books)
        if some:
            parts.append(table(rows, width))
        if len(some) < len(shown):
            parts.append(Text(f"and {len(shown) - len(some):,} more", style="dim"))
        lines = below(rows)
        if failed := next((key for key, state in some.items() if state.failure), None):
            which = beginnings(opened.plan).get(failed, "SHARD")
            lines.append(Text(f"all that is known of one: `xtl status --why {which}`", style="dim"))
        if lines:
            parts += ["", *lines]
        return Picture(Group(*parts), _moves(opened, observation, known, job))

    def _going_on(self) -> Sight | None:
        """Asked for no more often than Slurm is asked at all."""
        profile = self.opened.profile
        rest = profile.poll_seconds if isinstance(profile, SlurmProfile) else 0.0
        if time.monotonic() - self._asked >= rest or not self._asked:
            self._asked, self._job = time.monotonic(), unattended(self.opened)
        return self._job

    def _shows(self, state: State) -> bool:
        return _is_bad(state) if self.failed else self.every or _tells(state)


def _head(opened: Session, known: Mapping[str, State], job: Sight | None) -> list[RenderableType]:
    """What holds for the whole sweep: counts, a pause, nodes that are left out, who goes on."""
    states, now = dict(known), time.time()
    parts: list[RenderableType] = [Text(f"{opened.manifest.name}: ").append(counts_line(states))]
    if pause := opened.store.pauses.current():
        parts.append(Text(paused(pause), style="red"))
    if left_out := opened.store.nodes.excluded(now):
        parts.append(Text(_left_out(left_out), style="yellow"))
    if opened.said:
        parts.append(Text(f"Slurm: {opened.said}: what follows is what the files say"))
    elif line := _goes_on(opened, states, job):
        parts.append(Text(line))
    return parts


def _left_out(nodes: list[ExcludedNode]) -> str:
    until = time.strftime("%d %b %H:%M", time.localtime(max(entry.until for entry in nodes)))
    names = ", ".join(short(entry.node, 28) for entry in nodes)
    return f"nodes left out until {until}: {names} (`xtl nodes` tells why)"


def _moves(
    opened: Session, observation: Observation, known: Mapping[str, State], job: Sight | None
) -> bool:
    """Whether a later look may show something else: a job is there, or somebody who submits."""
    led = Lease(opened.store.root).is_led() or (job is not None and job.asked)
    return bool(observation.alive) or (led and any(map(_is_left, known.values())))


def _tells(state: State) -> bool:
    return state.name not in ("done", "missing") or state.degenerate


def _is_bad(state: State) -> bool:
    return state.name in BAD


def unattended(opened: Session) -> Sight | None:
    """The job that goes on with the sweep; None where there is none. Not `asked` where Slurm does
    not answer."""
    if not isinstance(opened.profile, SlurmProfile):
        return None
    return Sight(asked=False) if opened.said else opened.reconciler()


def drive(opened: Session) -> Drive:
    """Who takes the next step of the sweep."""
    led = Lease(opened.store.root).is_led()
    return Drive(led, None if led else unattended(opened), opened.store.pauses.current())


def _goes_on(opened: Session, known: dict[str, State], job: Sight | None) -> str:
    """Who submits what is missing yet: a job, or nobody. Nothing to say where a launcher leads."""
    if job and not job.asked:
        return ""
    if job:
        why = f": {job.reason}" if job.reason else ""
        return f"job {job.job} goes on by itself ({job.state}{why})"
    began = isinstance(opened.profile, SlurmProfile) and opened.store.batches.count() > 0
    is_left = any(map(_is_left, known.values()))
    if not began or not is_left or Lease(opened.store.root).is_led():
        return ""
    return "nobody goes on by itself: run `xtl sweep`, or `xtl sweep --detach`"


def _is_left(state: State) -> bool:
    """Whether a launcher has, or will have, to do with it."""
    return state.name not in ("done", "blocked") and (state.name != "failed" or state.retry)


def _data(
    opened: Session, known: dict[str, State], evidence: dict[str, Evidence], job: Sight | None
) -> dict[str, Any]:
    locked, pause = opened.plan.locked, opened.store.pauses.current()
    left_out = opened.store.nodes.excluded(time.time())
    return {
        "sweep": opened.manifest.name,
        "unattended": _going_on(job),
        "paused": pause and pause.model_dump(),
        "nodes_left_out": [entry.model_dump() for entry in left_out],
        "shards": [
            {
                "id": shard if locked else None,
                "name": opened.plan.shards[shard].name,
                "stage": opened.plan.shards[shard].stage,
                "state": state.name,
                "attempts": len(evidence[shard].attempts),
                **_place(state, evidence[shard]),
                "failure": state.failure and state.failure.model_dump(),
                "retry": state.retry,
                "outlook": state.outlook,
                "blocked_by": state.parent,
                "degenerate": state.degenerate,
            }
            for shard, state in known.items()
        ],
    }


def _going_on(job: Sight | None) -> dict[str, Any] | None:
    if job is None or not job.asked:
        return None
    return {"job": job.job, "state": job.state, "waits_for": job.reason or None}


def _place(state: State, own: Evidence) -> dict[str, Any]:
    """Where a shard is, and what its job waits for."""
    beat, sight = own.heartbeat, own.sight
    return {
        "job": (sight.job if sight else "") or None,
        "node": node(state, own) or None,
        "waits_for": (sight.reason if sight else "") or None,
        "step": beat and beat.step,
        "total": beat and beat.total,
        "seconds_left": seconds_left(own),
        "loss": beat and beat.metric,
    }
