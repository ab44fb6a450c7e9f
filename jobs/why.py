"""`xtl status --why SHARD`: the state of one shard, all its evidence, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from jobs.live import STYLE
from jobs.prospects import Drive, Step, prospect, steps
from jobs.spark import sparkline
from jobs.table import clock, node
from jobs.tails import Page, frame, page
from jobs.tries import Try, history, told, whole
from xtl.launch.records import Failure
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State
from xtl.launch.store import Store
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard
from xtl.tracking.curve import Point, read_losses


@dataclass(frozen=True)
class Story:
    """Of one shard all that there is to tell. `then`: what becomes of it, in words; `page`: the log
    around the root line."""

    store: Store
    shard: Shard
    state: State
    own: Evidence
    then: str = ""
    steps: tuple[Step, ...] = ()
    tries: tuple[Try, ...] = ()
    losses: tuple[Point, ...] = ()
    page: Page | None = None

    def data(self) -> dict[str, Any]:
        """All of it for machines. `loss`: of every update that was logged, as (update, loss)."""
        state, own = self.state, self.own
        sight = _sight(state, own)
        return {
            "id": self.shard.id,
            "name": self.shard.name,
            "stage": self.shard.stage,
            "state": state.name,
            "failure": state.failure and state.failure.model_dump(),
            "frame": frame(self.store, self.page) or None,
            "retry": state.retry,
            "outlook": self.then,
            "blocked_by": state.parent,
            "pardoned": own.pardoned,
            "evidence": [failure.model_dump() for failure in own.noted],
            "false_starts": [failure.model_dump() for failure in own.false_starts],
            "scheduler": sight and {"state": sight.state, "job": sight.job},
            "node": node(state, own) or None,
            "heartbeat": own.heartbeat and own.heartbeat.model_dump(),
            "attempts": [asdict(entry) for entry in self.tries],
            "loss": self.losses,
            "next": [asdict(step) for step in self.steps],
        }

    def show(self, console: Console) -> None:
        """The same for people, in 80 columns or more; places and commands are never broken."""
        shard, state, own = self.shard, self.state, self.own
        console.print(Text(shard.name, style="bold"))
        console.print(Text(f"{shard.id} · {shard.stage}", style="dim"))
        console.print(_headline(state))
        if state.failure:
            _tell_failure(console, state.failure, frame(self.store, self.page))
        if self.then:
            console.print(Text(f"then: {self.then}"))
        section(console, f"evidence{_of_old(state, own)}", _evidence(state, own))
        section(console, "attempts", (line for entry in self.tries for line in told(entry)))
        section(console, "loss of single updates", _loss(self.losses, console.width - 2))
        width = max((len(step.aim) for step in self.steps), default=0)
        lines = (Text(f"{step.aim:{width}}  {step.command}") for step in self.steps)
        section(console, "next", map(whole, lines))


def _of_old(state: State, own: Evidence) -> str:
    """Where a person has had it run again since."""
    latest = own.attempts[-1].claim.attempt if own.attempts else 0
    again = 0 < latest <= own.pardoned and state.name in ("missing", "queued", "blocked")
    return f" of attempt {latest}: resubmitted since, it no longer counts" if again else ""


def tell(
    store: Store, plan: Plan, shard: str, known: Mapping[str, State], own: Evidence, by: Drive
) -> Story:
    """Reads the shard's curve and its log."""
    state = known[shard]
    return Story(
        store,
        plan.shards[shard],
        state,
        own,
        prospect(plan, shard, known, by),
        tuple(steps(plan, shard, own, state, store.root, by)),
        tuple(history(store, shard, own, state)),
        tuple(read_losses(store.root, shard)),
        page(store, state.failure),
    )


def _tell_failure(console: Console, failure: Failure, raised_at: str) -> None:
    console.print(Padding(Text(failure.line), (0, 0, 0, 2), expand=False))
    where = [failure.file] + ([f"on {failure.node}"] if failure.node else [])
    for place in filter(None, (raised_at, ", ".join(filter(None, where)))):
        console.print(Text(f"  {place}", "dim"), soft_wrap=True)


def section(console: Console, heading: str, lines: Iterable[Text]) -> None:
    """A heading and lines below it, which are wrapped at words; nothing where there are none."""
    for number, line in enumerate(lines):
        if not number:
            console.print(Text(f"\n{heading}"))
        if line.no_wrap:
            console.print(Text("  ").append(line), soft_wrap=True)
        else:
            indent = 2 + len(line.plain) - len(line.plain.lstrip())
            line = line[indent - 2 :]
            console.print(Padding(line, (0, 0, 0, indent), expand=False))


def _headline(state: State) -> Text:
    line = Text(state.name, style=STYLE.get(state.name, ""))
    more = f": {state.failure.cls}" if state.failure else ""
    more += f" by {state.parent}" if state.parent else ""
    return line.append(more + (", and its scores are at chance" if state.degenerate else ""))


def _evidence(state: State, own: Evidence) -> Iterator[Text]:
    """What ranks, logs, the scheduler and jobs that never began say; and the last sign of life."""
    said: dict[tuple[str, str], list[Failure]] = {}
    for failure in (*own.noted, *own.false_starts):
        said.setdefault((failure.cls, failure.line), []).append(failure)
    for alike in said.values():
        yield from _voice(alike)
    if sight := _sight(state, own):
        job = f"job {sight.job}: " if sight.job else ""
        why = f", {sight.reason}" if sight.reason else ""
        yield Text(f"the scheduler now: {job}{sight.state}{why}")
    if place := node(state, own):
        yield Text(f"node: {place}")
    if beat := own.heartbeat:
        ago = clock(max(0.0, time.time() - beat.time))
        loss = f", loss {beat.metric:.4g} of its last update" if beat.metric is not None else ""
        saved = f", saved at {beat.saved}" if beat.saved else ""
        where = f": step {beat.step} of {beat.total}" if beat.total else ", before its first step"
        yield Text(f"last heartbeat {ago} ago{where}{loss}{saved}")


def _sight(state: State, own: Evidence) -> Sight | None:
    """The scheduler's word on a job that has, had or will have it; not on one that has gone on to
    other shards."""
    sight, last = own.sight, own.attempts[-1] if own.attempts else None
    left = last is not None and last.end is not None and state.name not in ("queued", "running")
    if sight is None or not sight.state or (left and sight.liveness == "alive"):
        return None
    return sight


def _voice(alike: list[Failure]) -> Iterator[Text]:
    """Who says the same, once what they say, and where each says it."""
    who = dict.fromkeys(
        "the scheduler" if each.rank is None else f"rank {each.rank}" for each in alike
    )
    first = alike[0]
    yield Text(f"{', '.join(who)}: {first.cls}: {first.line}")
    for file in dict.fromkeys(each.file for each in alike if each.file):
        yield whole(Text(f"  {file}", style="dim"))
    for fact in dict.fromkeys(fact for each in alike for fact in each.facts):
        if fact != first.line:
            yield Text(f"  {fact}", style="dim")


def _loss(points: Sequence[Point], width: int) -> Iterator[Text]:
    if not points:
        return
    values = [loss for _, loss in points]
    step, least = min(points, key=lambda point: (point[1] != point[1], point[1]))
    yield Text(sparkline(values, width))
    yield Text(
        f"first {values[0]:.4g}, last {values[-1]:.4g} (step {points[-1][0]}), "
        f"least {least:.4g} (step {step})"
    )
