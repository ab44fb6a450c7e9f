"""What `xtl resubmit` would do: shown before it asks, for people and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.again import Again, Entry
from jobs.columns import plain_table
from jobs.live import paused
from jobs.wording import many
from xtl.launch.records import Pause

_SHOWN = 40  # rows of a preview


class Code(StrEnum):
    """Which code the resubmitted shards run."""

    FROZEN = "frozen"
    CURRENT = "current"


class Mode(StrEnum):
    """What becomes of the chosen shards."""

    CACHED = "cached"
    RETRY = "retry"
    FORCE = "force"


@dataclass(frozen=True)
class Offer:
    """`changes`: how the checkout's code differs from the frozen, a line each; `left_out`: by class
    the ids of what a person has stopped, or would end as before, and nobody has named."""

    again: Again
    mode: Mode
    code: Code
    changes: Sequence[str] = ()
    pause: Pause | None = None
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)  # of shards, as far as a person needs them

    @property
    def what(self) -> dict[str, object]:
        """What a person agrees to, by name. Others may follow in any case: not they."""
        found: dict[str, object] = {
            entry.name: (entry.cls, entry.goes_on_from, entry.micro_batch)
            for entry in self.again.entries
        }
        if self.code is Code.CURRENT:
            found["the code"] = tuple(self.changes)
        return found | ({"the pause": self.pause.since} if self.pause else {})

    def data(self) -> dict[str, Any]:
        return {
            "resubmit": sorted(entry.shard for entry in self.again.entries),
            "shards": [entry.data() for entry in self.again.entries],
            "follow": list(self.again.follow),
            "may_become_stale": list(self.again.outdated),
            "left_out": {cls: list(keys) for cls, keys in self.left_out.items()},
            "mode": self.mode,
            "with": self.code,
            "code": list(self.changes),
            "pause": self.pause and self.pause.model_dump(),
        }

    def show(self, console: Console, filtered: bool, override: bool) -> None:
        rows = self.again.entries
        if rows:
            console.print(_table(rows[:_SHOWN], self.ids))
        if rows[_SHOWN:]:
            console.print(f"… and {len(rows) - _SHOWN} more")
        for line in (*self._sums(filtered), *self._apart(override)):
            console.print(line)

    def _sums(self, filtered: bool) -> list[Text]:
        """How many, and what comes of it."""
        count, more = len(self.again.entries), len(self.again.follow)
        if self.mode is Mode.CACHED:
            said = f"{many(more, 'shard')} to run, without a valid result"
            return [Text(said if more else "every shard has its result, or waits for a person")]
        if not count:
            return [Text(self._nothing(filtered))]
        said = f"{many(count, 'failed shard')} to run again"
        if self.mode is Mode.FORCE:
            said = f"{many(count, 'shard')} to run anew; old results are set aside, not lost"
        lines = [said]
        if more:
            lines.append(f"{many(more, 'more shard')} to run, blocked, missing or needed by these")
        if outdated := len(self.again.outdated):
            lines.append(
                f"{many(outdated, 'done shard', 'come')} of these: stale, and run again too, if "
                "what these hand over differs"
            )
        return [Text(line) for line in lines]

    def _nothing(self, filtered: bool) -> str:
        if self.mode is Mode.FORCE:
            return "nothing else fits that" if self.left_out else "nothing fits all of that"
        other = " else" if self.left_out else ""
        return f"nothing{other} of that has failed" if filtered else f"nothing{other} has failed"

    def _apart(self, override: bool) -> list[Text]:
        """What is left out, which code it is, and what stands against it."""
        lines = []
        if self.left_out:
            counts = ", ".join(f"{len(keys)} {cls}" for cls, keys in self.left_out.items())
            classes = "|".join(self.left_out)
            lines.append(Text(f"left out: {counts}: --class {classes} to take them"))
        if self.changes:
            current = self.code is Code.CURRENT
            head = "the code changes" if current else "the code stays as it was"
            lines.append(Text("\n".join([f"{head}:", *self.changes])))
        if self.pause:
            lifted = f"--override lifts the pause: {self.pause.line}"
            said = lifted if override else f"the sweep is {paused(self.pause)}"
            lines.append(Text(said, style="yellow"))
        return lines


def _table(rows: Sequence[Entry], ids: Mapping[str, str]) -> Table:
    halved = any(entry.micro_batch for entry in rows)
    right = ("tries", "batch") if halved else ("tries",)
    table = plain_table("shard", "class", "why", "from", right=right, wrap=True)
    table.columns[2].overflow = "fold"
    table.columns[0].min_width, table.columns[2].min_width = 18, 12
    table.columns[1].no_wrap, table.columns[3].no_wrap = True, True
    for entry in rows:
        name = f"{ids.get(entry.shard, '')} {entry.name}".lstrip()
        cells = [name, entry.cls or "-", entry.line, entry.goes_on_from]
        cells += [str(entry.attempts or "-")] + ([entry.micro_batch] if halved else [])
        table.add_row(*map(Text, cells))
    return table
