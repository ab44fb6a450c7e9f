"""What is locked, for people: a line for each task and set, what was mended, what is shared."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.wording import many, say
from xtl.sweep.leaks import leaks
from xtl.sweep.lock import Lock, LockedTable
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import every_need

Tables = dict[tuple[str, str], list[LockedTable]]
"""(task or set, what for) → its tables."""


def short(revision: str) -> str:
    """As much of a revision as tells it apart: of a commit, or of a content."""
    kind, dash, digits = revision.rpartition("-")
    return f"{kind}{dash}{digits[:8]}"


def show_locked(manifest: Manifest, lock: Lock, console: Console) -> None:
    found = _by_name(manifest, lock)
    table = Table(title="locked", title_justify="left")
    for heading in ("data", "for", "tables", "rows", "from"):
        numbers = heading in ("tables", "rows")
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for (name, use), tables in found.items():
        rows = f"{sum(entry.rows for entry in tables):,}"
        table.add_row(Text(name), use, str(len(tables)), rows, Text(_origin(tables)))
    console.print(table)
    model = f"{lock.model.repo} {short(lock.model.revision)}"
    say(console, f"model {model}: {lock.model.parameters:,} parameters")
    for line in (*_lm_head(manifest, lock), *_faults(found), _verdict(manifest, lock)):
        say(console, line)


def _by_name(manifest: Manifest, lock: Lock) -> Tables:
    found: Tables = defaultdict(list)
    for need in every_need(manifest):
        use = "training" if need.trained else "evaluation"
        found[need.name, use].append(lock.find(need.ref))
    return found


def _origin(tables: Sequence[LockedTable]) -> str:
    places = list(dict.fromkeys(f"{table.repo} {short(table.revision)}" for table in tables))
    return places[0] + (f" (+{len(places) - 1} more)" if places[1:] else "")


def _lm_head(manifest: Manifest, lock: Lock) -> list[str]:
    """Which head masked text is learnt with, where there is any."""
    if not any(choice.masked_text for choice in manifest.intermediate):
        return []
    if lock.model.lm_head:
        return [f"masked LM goes on with the LM head of {lock.model.repo}"]
    return [f"masked LM begins with a new head: {lock.model.repo} comes without one"]


def _faults(found: Tables) -> list[str]:
    """What was wrong with the data and is mended, left out, or only said."""
    lines = []
    for (name, use), tables in found.items():
        rows: Counter[str] = Counter()
        for table in tables:
            rows.update(table.faults)
        of = f"{name} ({use})"
        lines += [f"{of}: {fault}: {many(count, 'row')}" for fault, count in rows.items()]
    return lines


def _verdict(manifest: Manifest, lock: Lock) -> str:
    met = sum(1 for _ in leaks(manifest, lock))
    pairs = f"{many(len(lock.leakage_checked), 'pair')} of tables compared"
    if met:
        return f"evaluation passages stand in training data, in {met} of {pairs}"
    return f"no evaluation passage stands in training data: {pairs}"
