"""The live picture of a sweep: shards by state, a bar for each that runs, and the time to go."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.wording import many, say
from xtl.launch.launcher import Look
from xtl.launch.records import Heartbeat, Pause
from xtl.launch.session import Session
from xtl.launch.states import Evidence, State, StateName
from xtl.sweep.forecast import work

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


def against(said: str) -> Text:
    """What Slurm has to say against being asked or submitted to."""
    return Text(f"Slurm: {said}", style="yellow")


def notices(look: Look) -> list[Text]:
    """Why less is submitted than there is to do."""
    lines = []
    if look.pause:
        lines.append(Text(paused(look.pause), style="red"))
    elif look.held:
        jobs = many(look.held, "job", "wait")
        line = f"{jobs} until the first of their kind has passed its first updates"
        lines.append(Text(line, style="dim"))
    return lines


def paused(pause: Pause) -> str:
    """A line on why a sweep submits nothing, and what ends that."""
    if pause.cause == "storage":
        return f"paused, and goes on when there is room: {pause.line}"
    why = f"stopped: {many(len(pause.shards), 'shard')} failed alike ({pause.line})"
    return f"{why}; mend it, then `xtl resubmit --override` (mended code: `--with current` too)"


class Progress:
    """Shows looks as they come: redrawn in place on a terminal, a line a change elsewhere."""

    def __init__(self, session: Session, console: Console) -> None:
        self._session, self._console = session, console
        self._live = Live(console=console, transient=True, refresh_per_second=4)
        self._said: dict[str, str] = {}
        self._told: list[str] = []  # the notices of the last look
        self._against = ""  # what the scheduler last said against it
        self._started, self._done_before = time.time(), -1.0
        self._work: dict[str, float] = {}  # device-seconds by shard, by the forecast
        self._paces: dict[tuple[str, int], Pace] = {}

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look) -> None:
        self._tell_changes(look)
        if self._console.is_terminal:
            self._live.update(self.picture(look))
        elif look.said != self._against:
            line = against(look.said) if look.said else Text("Slurm: no more of that")
            say(self._console, line)
        self._against = look.said
        for done in look.did:
            say(self._console, done)
        told = [line.plain for line in notices(look)]
        if not self._console.is_terminal and told != self._told:
            self._console.print(*told, sep="\n", soft_wrap=True)
        self._told = told

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

    def picture(self, look: Look) -> RenderableType:
        """What a terminal shows. Bars stay in place: a name that is too long is wrapped."""
        running = [shard for shard, state in look.states.items() if state.name == "running"]
        rows = Table.grid(padding=(0, 1))
        rows.add_column(overflow="fold")
        for _ in range(4):
            rows.add_column(no_wrap=True)
        for shard in running:
            evidence = look.observation.evidence[shard]
            left = self._left(shard, evidence)
            rows.add_row(Text(self._session.plan.shards[shard].name), *_bar(evidence, left))
        head = counts_line(look.states)
        if not look.leading:
            head.append("  (another launcher submits; following it)", style="dim")
        said = [*([against(look.said)] if look.said else []), *notices(look)]
        return Group(head, *said, rows, Text(self._time_left(look, time.time()), style="dim"))

    def _left(self, shard: str, evidence: Evidence) -> float | None:
        """Seconds to go of a running shard."""
        beat = evidence.heartbeat
        if beat is None or not evidence.attempts:
            return None
        claim = evidence.attempts[-1].claim
        begun = Pace(claim.started, 0) if claim.attempt == 1 else Pace(beat.time, beat.step)
        if beat.step or claim.attempt == 1:
            begun = self._paces.setdefault((shard, claim.attempt), begun)
        return begun.left(beat)

    def _time_left(self, look: Look, now: float) -> str:
        """The forecast of what is not done, corrected by how it has gone since this began.

        At first there is little to go by: the forecast counts as if a twentieth of the work had
        been seen to take as long as it says.
        """
        if not self._work and not self._forecast():
            return ""
        states, evidence = look.states, look.observation.evidence
        done = sum(
            work * fraction(states[shard], evidence.get(shard))
            for shard, work in self._work.items()
            if shard in states
        )
        if self._done_before < 0:
            self._done_before, self._started = done, now
        total, elapsed = sum(self._work.values()), now - self._started
        ranks = self._session.manifest.engine.ranks
        expected = 1.0 / (ranks * self._session.profile.slots_for(ranks))
        gained = max(0.0, done - self._done_before)
        pace = (elapsed + 0.05 * total * expected) / (gained + 0.05 * total) if total else 0.0
        return f"about {duration((total - done) * pace)} to go, {duration(elapsed)} so far"

    def _forecast(self) -> bool:
        lock, profile = self._session.lock, self._session.profile
        if lock is not None:
            layout = profile.layout(self._session.manifest.engine.ranks)
            self._work = work(self._session.plan, lock, profile.rates, layout)
        return bool(self._work)


@dataclass(frozen=True)
class Pace:
    """Where an attempt was when it was first seen: its claim, or the checkpoint it resumed."""

    time: float
    step: int

    def left(self, beat: Heartbeat) -> float | None:
        """Seconds from the heartbeat to the last step; None before there is anything to go by."""
        steps = beat.step - self.step
        if steps <= 0 or not beat.total:
            return None
        return (beat.total - beat.step) * (beat.time - self.time) / steps


def fraction(state: State, evidence: Evidence | None) -> float:
    """How much of a shard is done, 0 to 1: a running one by its steps."""
    if state.name == "done":
        return 1.0
    beat = evidence.heartbeat if evidence and state.name == "running" else None
    return min(1.0, beat.step / beat.total) if beat and beat.total else 0.0


def _bar(evidence: Evidence, left: float | None) -> tuple[RenderableType, ...]:
    beat = evidence.heartbeat
    step, total = (beat.step, beat.total) if beat else (0, 0)
    metric = f"loss {beat.metric:.3f}" if beat and beat.metric is not None else ""
    return (
        ProgressBar(total=total or 1, completed=step, width=16),
        Text(f"{step}/{total}" if total else "starting"),
        Text(f"{duration(left)} left" if left is not None else ""),
        Text(metric, style="dim"),
    )


def duration(seconds_: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds_ < 90:
        return f"{seconds_:.0f} s"
    minutes = round(seconds_ / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
