"""The table of `xtl status`, narrow enough for 80 columns, and the lines below it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

from jobs.ids import beginnings
from jobs.live import STYLE, Pace
from jobs.wording import many
from xtl.launch.observe import Observation
from xtl.launch.states import Evidence, State
from xtl.sweep.plan import Plan

_WIDE = 110  # columns from which a state is one line, and a node's name may be long
_NAME = 14  # characters that a shard's name has in any case: it may be wrapped
_NODE = {False: 14, True: 28}
_RIGHT = ("tries", "step", "left", "loss", "seen")
_HEAD = 4  # what stays of the beginning of a long node name: its end tells nodes apart


@dataclass(frozen=True)
class Rows:
    """What is shown: shards of the plan with their states, and the evidence on all of them;
    `starting`: shards whose job runs, and is about to begin them."""

    plan: Plan
    shown: Mapping[str, State]
    evidence: Mapping[str, Evidence]
    starting: frozenset[str] = frozenset()


def starting(observation: Observation) -> frozenset[str]:
    """Of each job that runs, and has none of its shards in hand, the next."""
    found = set()
    for submission in observation.alive:
        sight = observation.sights[submission.name]
        own = {key: observation.evidence.get(key, Evidence()) for key, _ in submission.shards}
        busy = any(_in_hand(each, submission.name) for each in own.values())
        if sight.liveness == "alive" and not sight.waits and not busy:
            found |= {next((key for key, each in own.items() if each.waiting), "")}
    return frozenset(found - {""})


def _in_hand(own: Evidence, submission: str) -> bool:
    """Run by it, or to be gone on with by it, once it is through the queue again."""
    last = own.attempts[-1] if own.attempts else None
    over = last is None or (last.end is not None and last.end.status != "stopped")
    return not over and last is not None and last.claim.submission == submission


def table(rows: Rows, width: int) -> Table:
    """A row a shard. Only names are wrapped; a column that would be empty is left out."""
    wide, ids = width >= _WIDE, beginnings(rows.plan)
    cells = [_row(rows, shard, ids.get(shard, ""), wide) for shard in rows.shown]
    found = Table(box=None, pad_edge=False, padding=(0, 2 if wide else 1, 0, 0))
    for heading in (name for name in cells[0] if any(row[name].plain for row in cells)):
        if heading == "shard":
            found.add_column(heading, overflow="fold", min_width=_NAME)
        else:
            side: Literal["left", "right"] = "right" if heading in _RIGHT else "left"
            found.add_column(heading, no_wrap=True, justify=side)
    kept = [str(column.header) for column in found.columns]
    for row in cells:
        found.add_row(*(row[heading] for heading in kept))
    return found


def _row(rows: Rows, shard: str, beginning: str, wide: bool) -> dict[str, Text]:
    state, own = rows.shown[shard], rows.evidence[shard]
    beat, runs = own.heartbeat, state.name == "running"
    left = seconds_left(own) if runs else None
    seen = time.time() - beat.time if beat and runs else None
    return {
        "id": Text(beginning, style="dim"),
        "shard": Text(rows.plan.shards[shard].name),
        "state": _word(rows, shard, wide),
        "tries": Text(str(len(own.attempts) or "")),
        "node": Text(short(node(state, own), _NODE[wide])),
        "step": Text(f"{beat.step}/{beat.total}" if beat and beat.total else ""),
        "left": Text(clock(left) if left is not None else ""),
        "loss": Text(f"{beat.metric:.3f}" if beat and beat.metric is not None else ""),
        "seen": Text(clock(seen) if seen is not None else "", style="dim"),
    }


def _word(rows: Rows, shard: str, wide: bool) -> Text:
    """The state, and at most one word more."""
    state = rows.shown[shard]
    word = Text(state.name, style=STYLE.get(state.name, ""))
    more = "again" if state.retry else "degenerate" if state.degenerate else ""
    if state.name == "queued" and shard in rows.starting:
        more = "starting"
    elif state.name == "queued" and _in_turn(rows.evidence[shard]):
        more = "in turn"
    return word.append((", " if wide else "\n") + more, style="dim") if more else word


def below(rows: Rows) -> list[Text]:
    """Why shards wait or are blocked, alike ones together; their jobs; and each failure."""
    queued = [shard for shard, state in rows.shown.items() if state.name == "queued"]
    waits = Counter(_wait(rows, shard) for shard in queued)
    blocked = Counter(state.parent for state in rows.shown.values() if state.parent)
    lines = [Text(f"{_shards(n, ' waits', ' wait, each')} {why}") for why, n in waits.items()]
    lines += [Text(f"{_shards(n)} blocked by {parent}") for parent, n in blocked.items()]
    arrays = {_array(rows.evidence[shard]) for shard in rows.shown} - {""}
    if arrays:
        lines.append(Text(f"Slurm's jobs: {', '.join(sorted(arrays, key=int))}"))
    for shard, state in rows.shown.items():
        if state.failure:
            what = "" if state.name == "lost" else f"{state.failure.cls}: "
            lines.append(Text(f"{rows.plan.shards[shard].name}: {what}{state.failure.line}"))
    return lines


def _wait(rows: Rows, shard: str) -> str:
    """What a queued shard waits for. The scheduler's reasons are clauses about a job."""
    own = rows.evidence[shard]
    sight = own.sight
    if sight is None or sight.liveness != "alive":
        return "for its job, of which there is no word yet"
    if shard in rows.starting:
        return "for its job, which has begun and is starting it"
    if _in_turn(own):
        return "in turn, behind others of a job that runs"
    if not sight.waits:
        return "for its job, which goes back into the queue"
    why = f": {sight.reason}" if sight.reason else ", which is in the queue"
    return f"for its job{why}{' (for ever, unless somebody acts)' if sight.stuck else ''}"


def _in_turn(own: Evidence) -> bool:
    """Its job runs, and is not there yet."""
    return bool(own.waiting and own.sight and own.sight.liveness == "alive" and not own.sight.waits)


def _array(own: Evidence) -> str:
    alive = own.sight is not None and own.sight.liveness == "alive"
    return own.sight.job.partition("_")[0] if own.sight and alive else ""


def _shards(count: int, one: str = "", more: str = "") -> str:
    return many(count, "shard") + (one if count == 1 else more)


def node(state: State, own: Evidence) -> str:
    """Where it runs, or ran; of what is yet to be run, nowhere."""
    if state.name in ("queued", "missing", "blocked", "stale"):
        return ""
    if own.sight and own.sight.node:
        return own.sight.node
    return own.attempts[-1].claim.host if own.attempts else ""


def short(name: str, most: int) -> str:
    """A node, or a list of nodes such as `n-[1-2]`, without domains, in `most` characters: of a
    longer one the middle is left out."""
    plain = name if re.fullmatch(r"[\d.]+", name) else re.sub(r"\.[^,\[\]]+", "", name)
    return plain if len(plain) <= most else f"{plain[:_HEAD]}…{plain[_HEAD + 1 - most :]}"


def seconds_left(own: Evidence) -> float | None:
    """Of a running shard, by its pace since its latest attempt began."""
    beat, attempts = own.heartbeat, own.attempts
    if beat is None or not attempts or attempts[-1].end:
        return None
    start = attempts[-2].saved if len(attempts) > 1 else 0  # where the one before had saved
    return Pace(attempts[-1].claim.started, start).left(beat)


def clock(seconds: float) -> str:
    """`45s`, `12m`, `3h20m`, `4d02h`: as narrow as a column."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f}s"
    if minutes < 90:
        return f"{minutes}m"
    hours = minutes // 60
    return f"{hours}h{minutes % 60:02}m" if hours < 48 else f"{hours // 24}d{hours % 24:02}h"
