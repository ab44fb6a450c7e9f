"""`xtl status --why SHARD`: the state of one shard, all its evidence, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from jobs.live import STYLE
from jobs.spark import sparkline
from jobs.table import clock, node, short
from xtl.launch.failures import failure_of
from xtl.launch.records import Attempt, Failure
from xtl.launch.states import Evidence, State
from xtl.launch.store import Store
from xtl.sweep.shard import Shard
from xtl.tracking.curve import Point, read_losses

_NODE = 14  # characters for a node's name


@dataclass(frozen=True)
class Try:
    """An attempt in one line; `steps` is where it was when it ended, or is."""

    attempt: int
    started: float
    host: str
    micro_batch: int
    steps: int
    ended: str  # done, stopped, failed, or how it is now
    cls: str
    line: str


def history(store: Store, shard: str, own: Evidence, state: State) -> list[Try]:
    """Every attempt, oldest first."""
    return [_try(store, shard, entry, own, state) for entry in own.attempts]


def _try(store: Store, shard: str, entry: Attempt, own: Evidence, state: State) -> Try:
    claim, end, last = entry.claim, entry.end, entry is own.attempts[-1]
    failure: Failure | None = None
    ended: str
    if end is None and last and state.name in ("running", "queued", "unknown", "lost"):
        ended = state.name
    elif end and end.status == "done":
        ended = "done"
    else:
        noted = own.noted if last else store.noted_failures(shard, claim.attempt)
        failure = failure_of(entry, noted)
        ended = end.status if end else "failed"
    beat = store.heartbeat(shard, claim.attempt)
    steps = max(end.step if end else 0, beat.step if beat else 0)
    cls, line = (failure.cls, failure.line) if failure else ("", "")
    return Try(claim.attempt, claim.started, claim.host, claim.micro_batch, steps, ended, cls, line)


def as_data(store: Store, shard: Shard, state: State, own: Evidence) -> dict[str, Any]:
    """All of it for machines."""
    losses = read_losses(store.root, shard.id)
    return {
        "id": shard.id,
        "name": shard.name,
        "stage": shard.stage,
        "state": state.name,
        "failure": state.failure and state.failure.model_dump(),
        "retry": state.retry,
        "outlook": state.outlook,
        "blocked_by": state.parent,
        "evidence": [failure.model_dump() for failure in own.noted],
        "false_starts": [failure.model_dump() for failure in own.false_starts],
        "scheduler": own.sight and {"state": own.sight.state, "job": own.sight.job},
        "node": node(own) or None,
        "heartbeat": own.heartbeat and own.heartbeat.model_dump(),
        "attempts": [asdict(entry) for entry in history(store, shard.id, own, state)],
        "loss": losses,
    }


def show(console: Console, store: Store, shard: Shard, state: State, own: Evidence) -> None:
    """The same for people, in 80 columns or more."""
    console.print(Text(shard.name, style="bold"))
    console.print(Text(f"{shard.id} · {shard.stage}", style="dim"))
    console.print(_headline(state))
    if state.failure:
        console.print(Padding(Text(state.failure.line), (0, 0, 0, 2), expand=False))
        where = [state.failure.file] + ([f"on {state.failure.node}"] if state.failure.node else [])
        if any(where):
            place = Text(", ".join(filter(None, where)), "dim")
            console.print(Padding(place, (0, 0, 0, 2), expand=False))
    if state.outlook:
        console.print(Text(f"then: {state.outlook}"))
    section(console, "evidence", _evidence(own))
    tries = history(store, shard.id, own, state)
    section(console, "attempts", (told(entry, console.width - 2) for entry in tries))
    section(console, "loss", _loss(read_losses(store.root, shard.id), console.width - 2))


def section(console: Console, heading: str, lines: Iterator[Text]) -> None:
    """A heading and lines below it; nothing where there are none."""
    found = list(lines)
    if found:
        console.print(Text(f"\n{heading}"))
    for line in found:
        console.print(Padding(line, (0, 0, 0, 2), expand=False))


def _headline(state: State) -> Text:
    line = Text(state.name, style=STYLE.get(state.name, ""))
    more = f": {state.failure.cls}" if state.failure else ""
    more += f" by {state.parent}" if state.parent else ""
    return line.append(more + (", and its scores are at chance" if state.degenerate else ""))


def _evidence(own: Evidence) -> Iterator[Text]:
    """What ranks, logs, the scheduler and jobs that never began say; and the last sign of life."""
    said: dict[tuple[str, str], list[Failure]] = {}
    for failure in (*own.noted, *own.false_starts):
        said.setdefault((failure.cls, failure.line), []).append(failure)
    for alike in said.values():
        yield _voice(alike)
    if own.sight and own.sight.state:
        job = f"job {own.sight.job}: " if own.sight.job else ""
        why = f", {own.sight.reason}" if own.sight.reason else ""
        yield Text(f"the scheduler now: {job}{own.sight.state}{why}")
    if place := node(own):
        yield Text(f"node: {place}")
    if beat := own.heartbeat:
        ago = clock(max(0.0, time.time() - beat.time))
        loss = f", loss {beat.metric:.4g}" if beat.metric is not None else ""
        saved = f", saved at {beat.saved}" if beat.saved else ""
        yield Text(f"last heartbeat {ago} ago: step {beat.step} of {beat.total}{loss}{saved}")


def _voice(alike: list[Failure]) -> Text:
    """Who says the same, once what they say, and where each says it."""
    who = dict.fromkeys(
        "the scheduler" if each.rank is None else f"rank {each.rank}" for each in alike
    )
    first = alike[0]
    text = Text(f"{', '.join(who)}: {first.cls}: {first.line}")
    for fact in dict.fromkeys(fact for each in alike for fact in (each.file, *each.facts)):
        if fact and fact != first.line:
            text.append(f"\n  {fact}", style="dim")
    return text


def told(entry: Try, width: int) -> Text:
    """An attempt in one line of `width` characters at most."""
    when = time.strftime("%d %b %H:%M", time.localtime(entry.started))
    head = f"{entry.attempt}  {when}  {short(entry.host, _NODE)}  micro-batch {entry.micro_batch}"
    how = f"{entry.cls}: {entry.line}" if entry.cls else entry.ended
    line = Text(f"{head}  {entry.steps} steps  {how}")
    line.truncate(width, overflow="ellipsis")
    return line


def _loss(points: list[Point], width: int) -> Iterator[Text]:
    if not points:
        return
    values = [loss for _, loss in points]
    step, least = min(points, key=lambda point: (point[1] != point[1], point[1]))
    yield Text(sparkline(values, width))
    yield Text(
        f"first {values[0]:.4g}, last {values[-1]:.4g} (step {points[-1][0]}), "
        f"least {least:.4g} (step {step})"
    )
