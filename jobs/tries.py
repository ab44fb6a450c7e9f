"""A shard's attempts, in words: how each ended, why, and where that stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from jobs.table import short
from jobs.wording import many
from xtl.launch.failures import failure_of
from xtl.launch.records import Attempt, Failure
from xtl.launch.states import Evidence, State
from xtl.launch.store import Store

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
    file: str = ""  # `path:number` of that line


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
    cls, line, file = (failure.cls, failure.line, failure.file) if failure else ("", "", "")
    began = (claim.attempt, claim.started, claim.host, claim.micro_batch)
    return Try(*began, steps, ended, cls, line, file)


def told(entry: Try) -> Iterator[Text]:
    """An attempt in a line, and below it why it did not finish, whole, and where that stands."""
    when = time.strftime("%d %b %H:%M", time.localtime(entry.started))
    head = f"{entry.attempt}  {when}  {short(entry.host, _NODE)}  micro-batch {entry.micro_batch}"
    yield Text(f"{head}  {many(entry.steps, 'step')}  {entry.cls or entry.ended}")
    if entry.line:
        yield Text(f"   {entry.line}")
    if entry.file:
        yield whole(Text(f"   {entry.file}", style="dim"))


def whole(text: Text) -> Text:
    """Not broken by us: it may be copied from a terminal, which wraps it as it likes."""
    text.no_wrap = True
    return text
