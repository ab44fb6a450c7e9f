"""What a sweep has used and what is to come, in device-hours, bytes and files: for `xtl status`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from jobs.wording import many
from xtl.launch.accounting import Accounts
from xtl.launch.books import Books, books, walked
from xtl.launch.histories import from_evidence
from xtl.launch.session import Session
from xtl.launch.space import Space, Usage
from xtl.launch.states import Evidence, State
from xtl.sweep.correction import ToGo

_WIDTH = 80
_WALK_REST_S = 60.0


class Accountant:
    """Looks again and again at one sweep; the folder is walked once a minute at most."""

    def __init__(self, opened: Session) -> None:
        self._opened = opened
        self._walked, self._space = -_WALK_REST_S, Space()

    def books(self, known: Mapping[str, State], evidence: Mapping[str, Evidence]) -> Books | None:
        """None before there is a lock: shards have no ids then, and nothing can have been run."""
        if self._opened.lock is None:
            return None
        if time.monotonic() - self._walked >= _WALK_REST_S:
            self._walked = time.monotonic()
            self._space = walked(self._opened)
        histories = from_evidence(self._opened.store, evidence)
        artifacts = [shard for shard, own in evidence.items() if own.artifact]
        return books(self._opened, known, histories, artifacts, self._space)


# -- for people -------------------------------------------------------------------------------
def lines(found: Books) -> list[Text]:
    """A few lines of at most 80 columns; none of what there is none of."""
    accounts = found.accounts
    told = _used(accounts) + _to_go(accounts.left)
    if accounts.stuck.said:
        told.append(f"{_hours(accounts.stuck.expected)} device-hours more wait for a person")
    told += _space(found)
    return [Text(line, style="dim") for line in told] + _short_of(found)


def _used(accounts: Accounts) -> list[str]:
    if not accounts.used:
        return []
    used = f"used {_ms(accounts.used)} device-hours"
    if not accounts.all_wasted:
        return [f"{used}, nothing wasted"]
    line = f"{used}: {_ms(accounts.all_kept)} kept, {_ms(accounts.all_wasted)} wasted"
    named = [f"{cause} {_ms(spent)}" for cause, spent in accounts.causes.items()]
    whole = f"{line} ({', '.join(named)})"
    if len(whole) <= _WIDTH:
        return [whole]
    told = (named[:most] + ["…"] * (most < len(named)) for most in range(len(named), 0, -1))
    apart = (f"  by {', '.join(each)}" for each in told)
    return [line, next(text for text in apart if len(text) <= _WIDTH)]


def _to_go(left: ToGo) -> list[str]:
    if not left.said:
        return []
    if not left.finished:
        return [
            f"to go: {_hours(left.said)} device-hours by the forecast; nothing to check it by yet"
        ]
    span = f"{_hours(left.low)} to {_hours(left.high)}"
    return [
        f"to go: about {_hours(left.expected)} device-hours ({span})",
        f"  the forecast says {_hours(left.said)}; by {_shards(left.finished)}, "
        f"{_times(left.expected / left.said)} that",
    ]


def _space(found: Books) -> list[str]:
    space, coming = found.space, found.to_come
    if not space.kinds:
        return []
    told = [f"disk: {_usage(space.used)}"]
    if space.outside.files:
        told.append(f"{size(space.outside.bytes)} of the mirror elsewhere")
    if space.free:
        told.append(f"{size(space.free.bytes)} free")
    if not (coming and (found.accounts.left.said or found.accounts.stuck.said)):
        return _joined(told)
    more = f"{size(_more_bytes(found))} and {max(0, coming.peak.files - space.used.files):,} files"
    return [*_joined(told), f"  to come: up to {more} more; {size(coming.final.bytes)} in the end"]


def _joined(told: Sequence[str]) -> list[str]:
    """On as few lines as hold them, whole."""
    rows = [told[0]]
    for each in told[1:]:
        if len(rows[-1]) + 2 + len(each) <= _WIDTH:
            rows[-1] += f"; {each}"
        else:
            rows.append(f"  {each}")
    return rows


def _more_bytes(found: Books) -> int:
    """Of the folder, at most, beside what it holds."""
    return max(0, found.to_come.peak.bytes - found.space.used.bytes) if found.to_come else 0


def _short_of(found: Books) -> list[Text]:
    """What there is too little of."""
    free, coming = found.space.free, found.to_come
    if free is None or coming is None:
        return []
    told = []
    if (more := _more_bytes(found)) > free.bytes:
        told.append(f"the disk may fill: up to {size(more)} more, {size(free.bytes)} are free")
    files = coming.peak.files - found.space.used.files
    if free.files is not None and files > free.files:
        told.append(f"inodes may run out: some {files:,} more, {free.files:,} are free")
    return [Text(line, style="yellow") for line in told]


def _usage(usage: Usage) -> str:
    return f"{size(usage.bytes)} in {usage.files:,} files and folders"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if ratio < 10 else f"{ratio:.0f} times"


def _shards(count: int) -> str:
    return many(count, "finished shard")


def _ms(spent: int) -> str:
    return _hours(spent / 1000)


def _hours(seconds: float) -> str:
    """Of seconds, as hours with as many digits as tell something: `0.0042`, `1.2`, `1,350`."""
    hours = seconds / 3600
    if hours >= 100:
        return f"{hours:,.0f}"
    return f"{hours:.1f}" if hours >= 1 else f"{hours:.2g}"


def size(count: float) -> str:
    """`512 KiB`, `1.4 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000 or unit == "GiB":
            break
        count /= 1024
    digits = 0 if unit == "B" or count >= 10 else 1
    return f"{count:,.{digits}f} {unit}" if unit != "GiB" or count < 10_000 else _tebi(count)


def _tebi(gibibytes: float) -> str:
    return f"{gibibytes / 1024:,.0f} TiB"


# -- for machines -----------------------------------------------------------------------------
def as_data(found: Books) -> dict[str, Any]:
    """Device-seconds, bytes and inodes."""
    accounts, space, coming = found.accounts, found.space, found.to_come
    return {
        "device_seconds": {
            "used": accounts.used / 1000,
            "kept": {stage: spent / 1000 for stage, spent in accounts.kept.items()},
            "wasted": [
                {"stage": stage, "cause": cause, "device_seconds": spent / 1000}
                for (stage, cause), spent in accounts.wasted.items()
            ],
            "to_go": _rest(accounts.left),
            "waiting_for_a_person": _rest(accounts.stuck),
        },
        "space": {
            "used": space.used._asdict(),
            "kinds": {kind: usage._asdict() for kind, usage in space.kinds.items()},
            "mirror_elsewhere": {"path": space.outside_at or None, **space.outside._asdict()},
            "peak": coming and coming.peak._asdict(),
            "final": coming and coming.final._asdict(),
            "free": space.free and {"bytes": space.free.bytes, "files": space.free.files},
        },
    }


def _rest(left: ToGo) -> dict[str, Any]:
    """The range is None where no shard has finished that it could be made of."""
    known = left.finished > 0
    return {
        "forecast": left.said,
        "expected": left.expected,
        "low": left.low if known else None,
        "high": left.high if known else None,
        "finished_shards": left.finished,
    }
