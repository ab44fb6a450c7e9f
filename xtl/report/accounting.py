"""What a sweep took: device time, kept and wasted by what, and space, as rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xtl.launch.accounting import Accounts
from xtl.launch.books import Books
from xtl.launch.space import Space, Usage
from xtl.launch.spells import Cause
from xtl.report.numbers import ABSENT, count, hours, plural
from xtl.sweep.correction import ToGo
from xtl.sweep.shard import Stage

TITLE = "What it took"
HOW = (
    "Device time of every attempt, from the start of its process to its end, times its devices; "
    "time in a queue is none. Kept is what led to a result, or may yet."
)
STAGE_HEADINGS = ["stage", "used", "kept", "wasted", "of used"]
SPACE_HEADINGS = ["in its folder", "size", "files and folders"]
_STAGES: Sequence[Stage] = ("intermediate", "target", "evaluate")
_MEANINGS: dict[Cause, str] = {
    "start-up": "start-up, repeated by attempts that went on",
    "stale": "stale: a parent was made anew",
    "forced": "forced: a person had it made again",
    "lost": "lost: the result or the artifact was gone",
}


@dataclass(frozen=True)
class Part:
    """Of a bar: its share in percent, and what it stands for."""

    share: float
    kind: str
    label: str


@dataclass(frozen=True)
class Accounting:
    """Rows of text: `stages`, the last of them all together; `causes`, with a column for each stage
    of `cause_headings`. `bar`: kept, wasted and to go. Sentences tell what is to come."""

    stages: list[list[str]]
    cause_headings: list[str]
    causes: list[list[str]]
    bar: list[Part]
    to_go: str
    space: list[list[str]]
    to_come: str


def accounting(books: Books | None) -> Accounting | None:
    """None where nothing has been counted."""
    if books is None or not (books.accounts.used or books.space.kinds):
        return None
    accounts = books.accounts
    stages = [stage for stage in _STAGES if _used(accounts, stage)]
    return Accounting(
        stages=[_stage(accounts, stage) for stage in stages] + [_all(accounts)],
        cause_headings=["wasted by", *stages, "all"],
        causes=[_cause(accounts, cause, stages) for cause in accounts.causes],
        bar=_bar(accounts),
        to_go=_to_go(accounts),
        space=_space(books.space),
        to_come=_to_come(books),
    )


def _used(accounts: Accounts, stage: Stage) -> int:
    return accounts.kept.get(stage, 0) + _wasted(accounts, stage)


def _wasted(accounts: Accounts, stage: Stage) -> int:
    return sum(spent for (where, _), spent in accounts.wasted.items() if where == stage)


def _stage(accounts: Accounts, stage: Stage) -> list[str]:
    kept, wasted = accounts.kept.get(stage, 0), _wasted(accounts, stage)
    return [stage, *_figures(kept, wasted)]


def _all(accounts: Accounts) -> list[str]:
    return ["all", *_figures(accounts.all_kept, accounts.all_wasted)]


def _figures(kept: int, wasted: int) -> list[str]:
    used = kept + wasted
    share = f"{100 * wasted / used:.1f}%" if used else ABSENT
    return [_time(used), _time(kept), _time(wasted), share]


def _time(spent: int) -> str:
    return hours(spent / 1000) if spent else ABSENT


def _cause(accounts: Accounts, cause: Cause, stages: Sequence[Stage]) -> list[str]:
    found = [accounts.wasted.get((stage, cause), 0) for stage in stages]
    return [_MEANINGS.get(cause, cause), *map(_time, found), _time(sum(found))]


def _bar(accounts: Accounts) -> list[Part]:
    """Of the whole sweep as far as it goes on by itself; nothing where nothing was used."""
    left = accounts.left.expected * 1000
    whole = accounts.used + left
    parts = {
        "kept": accounts.all_kept,
        "wasted": accounts.all_wasted,
        "to go": left,
    }
    return [
        Part(round(100 * spent / whole, 2), kind.replace(" ", "-"), f"{kind} {_time(round(spent))}")
        for kind, spent in parts.items()
        if spent and accounts.used
    ]


def _to_go(accounts: Accounts) -> str:
    left, stuck = accounts.left, accounts.stuck
    told = []
    if left.said:
        told.append(f"To go: about {hours(left.expected)}{_corrected(left)}.")
    if stuck.said:
        told.append(f"{hours(stuck.expected)} more wait for a person.".capitalize())
    return " ".join(told)


def _corrected(left: ToGo) -> str:
    if not left.finished:
        return ", by the forecast alone"
    return (
        f" (80% range {hours(left.low)} to {hours(left.high)}): the forecast's "
        f"{hours(left.said)}, corrected by {plural(left.finished, 'finished shard')}"
    )


def _space(space: Space) -> list[list[str]]:
    """The greatest kind first, then all; what is used of a mirror elsewhere stands below."""
    kinds = sorted(space.kinds.items(), key=lambda entry: -entry[1].bytes)
    rows = [_usage(kind, usage) for kind, usage in kinds]
    rows.append(_usage("all", space.used))
    if space.outside.files:
        rows.append(_usage("beside it, of a mirror elsewhere", space.outside))
    return rows


def _usage(name: str, usage: Usage) -> list[str]:
    return [name, gib(usage.bytes), count(usage.files)]


def _to_come(books: Books) -> str:
    coming, used = books.to_come, books.space.used
    if coming is None or not books.accounts.left.said:
        return ""
    return (
        f"Now {gib(used.bytes)}; it will grow to at most {gib(coming.peak.bytes)}, and hold "
        f"{gib(coming.final.bytes)} in some {count(coming.final.files)} files and folders at last."
    )


def gib(size: int) -> str:
    """`1.25 GiB`, and MiB below a tenth of one."""
    if size >= 2**30 / 10:
        return f"{size / 2**30:,.2f} GiB"
    return f"{size / 2**20:.1f} MiB"
