"""`xtl rescore`: the metrics of all results computed again from their predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.columns import plain_table
from jobs.options import Cluster, Json, Manifest, NothingToDry, Profile, Root, print_json, session
from jobs.steps import Steps
from jobs.wording import say
from xtl.report.numbers import ABSENT, plural

if TYPE_CHECKING:
    from xtl.evaluate.rescoring import Figure
    from xtl.report.rescoring import Rescored

_STYLE = {"differs": "red", "gone": "red", "new": "cyan", "equal": ""}


def rescore(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    every: Annotated[bool, typer.Option("--all", help="Show figures that are equal, too.")] = False,
    dry_run: NothingToDry = False,
    json: Json = False,
) -> None:
    """Compute all metrics again from the stored predictions, and show where results differ.

    Needs no model and no GPU, but the mirror's rows, and torch to be installed. Changes nothing.
    Exit status 1 where a figure is not what its predictions say, and where predictions are missing
    or were changed. A metric that is new since the result was written is no difference.
    """
    from xtl.report.rescoring import rescored

    opened = session(manifest, root, cluster, profile)
    with Steps(Console(stderr=True, highlight=False, quiet=json), "reading results") as steps:
        found = rescored(opened, steps.say)
    if json:
        print_json({"sweep": opened.manifest.name, **_data(found, every)})
    else:
        show(found, every, Console(highlight=False))
    raise typer.Exit(0 if all(each.sound for each in found) else 1)


def show(found: Sequence[Rescored], every: bool, console: Console) -> None:
    """For each shard that has something to show, its name and a table; then what was compared."""
    for each in found:
        shown = _shown(each, every)
        if shown or each.fault:
            console.print(Text(each.shard.name, style="bold"))
        if each.fault:
            say(console, Text(f"  {each.fault}", style="red"))
        if shown:
            console.print(_table(each.set, shown))
    say(console, summary(found))


def _shown(each: Rescored, every: bool) -> list[Figure]:
    return [figure for figure in each.figures if every or figure.verdict != "equal"]


def _table(set_name: str, figures: Sequence[Figure]) -> Table:
    table = plain_table("  set", "language", "metric", right=("stored", "again", "difference"))
    for figure in figures:
        table.add_row(
            f"  {set_name}", figure.language, figure.metric, _number(figure.stored),
            _number(figure.again), _difference(figure), style=_STYLE[figure.verdict],
        )  # fmt: skip
    return table


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f}"


def _difference(figure: Figure) -> str:
    return figure.verdict if figure.difference is None else f"{figure.difference:+.3g}"


def summary(found: Sequence[Rescored]) -> str:
    """`1,232 figures of 24 evaluations compared: 1,230 equal, 2 not; 24 new`."""
    if not found:
        return "nothing to compare: no evaluation has a result yet"
    counts = _counts(found)
    compared = counts.total() - counts["new"]
    differ = compared - counts["equal"]
    shards = sum(bool(each.figures) for each in found)
    told = f"{plural(compared, 'figure')} of {plural(shards, 'evaluation')} compared"
    if compared:
        equal = f"{counts['equal']:,} equal, {differ:,} not" if differ else "all equal"
        told = f"{told}: {equal}"
    new = f"; {counts['new']:,} new" if counts["new"] else ""
    faults = sum(bool(each.fault) for each in found)
    faulty = f"; predictions of {faults:,} missing or changed" if faults else ""
    return f"{told}{new}{faulty}"


def _counts(found: Sequence[Rescored]) -> Counter[str]:
    return Counter(figure.verdict for each in found for figure in each.figures)


def _data(found: Sequence[Rescored], every: bool) -> dict[str, Any]:
    counts = _counts(found)
    return {
        "evaluations": len(found),
        "compared": counts.total() - counts["new"],
        "equal": counts["equal"],
        "figures": [
            {"shard": each.shard.id, "name": each.shard.name, "set": each.set, **_plain(figure)}
            for each in found
            for figure in _shown(each, every)
        ],
        "faults": [
            {"shard": each.shard.id, "name": each.shard.name, "line": each.fault}
            for each in found
            if each.fault
        ],
    }


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        "language": figure.language,
        "metric": figure.metric,
        "stored": figure.stored,
        "again": figure.again,
        "difference": figure.difference,
        "verdict": figure.verdict,
    }
