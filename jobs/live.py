"""The live picture of a sweep: shards by state, a bar for each that runs, and the time to go."""

from __future__ import annotations

import time
from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xtl.launch.launcher import Look
from xtl.launch.session import Session
from xtl.launch.states import Evidence, State, StateName
from xtl.sweep.forecast import seconds

ORDER: tuple[StateName, ...] = (
    "done",
    "running",
    "queued",
    "missing",
    "blocked",
    "stale",
    "unknown",
    "lost",
    "failed",
)
STYLE = {"done": "green", "running": "cyan", "failed": "red", "blocked": "yellow", "lost": "red"}


def counts_line(states: dict[str, State]) -> Text:
    """`12 done · 1 running · 3 missing`."""
    counts = Counter(state.name for state in states.values())
    parts = [(f"{counts[name]} {name}", STYLE.get(name, "")) for name in ORDER if counts[name]]
    line = Text()
    for text, style in parts:
        line.append(" · " if line else "").append(text, style=style)
    return line


class Progress:
    """Shows looks as they come: redrawn in place on a terminal, a line a change elsewhere."""

    def __init__(self, session: Session, console: Console) -> None:
        self._session, self._console = session, console
        self._live = Live(console=console, transient=True, refresh_per_second=4)
        self._said: dict[str, str] = {}
        self._started, self._done_before = time.time(), -1.0

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look) -> None:
        self._tell_changes(look)
        if self._console.is_terminal:
            self._live.update(self._picture(look))

    def _tell_changes(self, look: Look) -> None:
        """A line for what ended, so that a log file reads as a story."""
        total = len(look.states)
        done = sum(state.name == "done" for state in look.states.values())
        for shard, state in look.states.items():
            before = self._said.get(shard)
            self._said[shard] = state.name
            if before == state.name or (before is None and state.name != "failed"):
                continue
            name = self._session.plan.shards[shard].name
            if state.name == "done":
                self._console.print(f"[green]done[/] {done}/{total}  {name}", highlight=False)
            elif state.failure:
                again = "; to be tried again" if state.retry else ""
                line = f"[red]failed[/] ({state.failure.cls}{again})  {name}"
                self._console.print(line, highlight=False)
                self._console.print(Text(f"    {state.failure.line}"))

    def _picture(self, look: Look) -> RenderableType:
        rows = Table.grid(padding=(0, 1))
        for shard, state in look.states.items():
            if state.name == "running":
                evidence = look.observation.evidence[shard]
                rows.add_row(*_bar(self._session.plan.shards[shard].name, evidence))
        head = counts_line(look.states)
        if not look.leading:
            head.append("  (another launcher submits; following it)", style="dim")
        return Group(head, rows, Text(self._time_left(look), style="dim"))

    def _time_left(self, look: Look) -> str:
        """The forecast of what is not done, corrected by how the finished part went."""
        lock = self._session.lock
        if lock is None:
            return ""
        rates, shards = self._session.profile.rates, self._session.plan.shards.values()
        work = {shard.id: seconds(shard, lock, rates) for shard in shards}
        done = sum(work[shard] for shard, state in look.states.items() if state.name == "done")
        if self._done_before < 0:
            self._done_before, self._started = done, time.time()
        elapsed, gained = time.time() - self._started, done - self._done_before
        ranks = self._session.manifest.engine.ranks
        slots = self._session.profile.slots_for(ranks)
        pace = elapsed / gained if gained > 0 else 1.0 / (ranks * slots)
        left = (sum(work.values()) - done) * pace
        return f"about {duration(left)} to go, {duration(elapsed)} so far"


def _bar(name: str, evidence: Evidence) -> tuple[RenderableType, ...]:
    beat = evidence.heartbeat
    step, total = (beat.step, beat.total) if beat else (0, 0)
    metric = f"loss {beat.metric:.3f}" if beat and beat.metric is not None else ""
    return (
        Text(name, overflow="ellipsis", no_wrap=True),
        ProgressBar(total=total or 1, completed=step, width=16),
        Text(f"{step}/{total}" if total else "starting"),
        Text(metric, style="dim"),
    )


def duration(seconds_: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds_ < 90:
        return f"{seconds_:.0f} s"
    minutes = round(seconds_ / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
