"""`xtl plan`: what must exist, what is shared, and what it will cost."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from jobs.options import Cluster, Json, Manifest, NothingToDry, Profile, Root, print_json, session
from jobs.wording import many, say
from xtl.launch.launcher import Launcher
from xtl.launch.session import Session
from xtl.launch.slurm.facts import clock
from xtl.launch.slurm.waves import Wave
from xtl.sweep.bundles import make_bundles
from xtl.sweep.forecast import Forecast, forecast
from xtl.sweep.plan import Plan
from xtl.sweep.provisional import provisional_lock
from xtl.sweep.shard import Stage, TrainSpec

_STAGES: tuple[Stage, ...] = ("intermediate", "target", "evaluate")


def plan(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    test_only: Annotated[
        bool,
        typer.Option("--test-only", help="Ask Slurm when each kind of job would start."),
    ] = False,
    dry_run: NothingToDry = False,
    json: Json = False,
) -> None:
    """Show the shards that a manifest asks for, what sharing and bundling save, hours and disk.

    Reads the manifest and the lock, and nothing else. Without a lock the counts are the
    published ones and lengths estimated, and shards have no ids yet: run `xtl prepare`.
    """
    opened = session(manifest, root, cluster, profile)
    answers = Launcher(opened).test() if test_only else []
    if json:
        print_json(as_data(opened) | {"slurm": [_answer(opened, *found) for found in answers]})
        return
    console = Console(highlight=False)
    show(opened, console)
    for wave, answer in answers:
        found = _answer(opened, wave, answer)
        jobs = many(found["jobs"], "job")
        console.print(f"{jobs} of {found['stages']}, {clock(wave.minutes)}: {answer}")


def _answer(opened: Session, wave: Wave, answer: str) -> dict[str, Any]:
    """Slurm's answer for one kind of job."""
    members = {shard for bundle in wave.bundles for shard in bundle.members}
    stages = {opened.plan.shards[shard].stage for shard in members}
    named = " + ".join(stage for stage in _STAGES if stage in stages)
    return {"jobs": len(wave.bundles), "stages": named, "minutes": wave.minutes, "answer": answer}


def cost(opened: Session) -> Forecast | None:
    """None where nothing is known of the model: then hours and bytes would be made up."""
    lock = opened.lock or provisional_lock(opened.manifest)
    if not lock.model.parameters:
        return None
    layout = opened.profile.layout(opened.manifest.engine.ranks)
    return forecast(opened.plan, lock, opened.profile.rates, layout)


def jobs_of(opened: Session) -> int:
    return len(make_bundles(opened.plan, opened.plan.shards, opened.profile.bundling))


def as_data(opened: Session) -> dict[str, Any]:
    found, costs = opened.plan, cost(opened)
    return {
        "sweep": found.sweep,
        "locked": found.locked,
        "shards": _shards(found),
        "cells": _cells(found),
        "jobs": jobs_of(opened),
        "jobs_saved": {
            "sharing": found.shared,
            "bundling": len(found.shards) - jobs_of(opened),
        },
        "shared": found.shared,
        "selecting": _selecting(found),
        "engine": {
            **opened.manifest.engine.model_dump(include={"ranks", "precision", "deterministic"}),
            "zero_stage": opened.fit.zero_stage,
            "micro_batch": opened.fit.micro_batch,
            "reason": opened.fit.reason,
        },
        "forecast": costs
        and {
            "device_hours": costs.device_hours,
            "final_bytes": costs.final_bytes,
            "peak_bytes": costs.peak_bytes,
            "inodes": costs.inodes,
        },
    }


def _shards(found: Plan) -> list[dict[str, Any]]:
    """Without a lock there are no ids: parents are named instead."""
    name = {shard.id: shard.id if found.locked else shard.name for shard in found.shards.values()}
    return [
        {
            "id": shard.id if found.locked else None,
            "stage": shard.stage,
            "name": shard.name,
            "parents": [name[parent] for parent in shard.parents],
        }
        for shard in found.shards.values()
    ]


def _cells(found: Plan) -> list[dict[str, Any]]:
    if found.locked:
        return [cell.model_dump(mode="json") for cell in found.cells]
    unknown = {"intermediate": None, "checkpoint": None, "evaluations": ()}
    return [cell.model_copy(update=unknown).model_dump(mode="json") for cell in found.cells]


def _heads(found: Plan) -> str:
    """How many target trainings go on with a head, where any does."""
    trained = [shard.spec for shard in found.shards.values() if shard.stage == "target"]
    carried = sum(isinstance(spec, TrainSpec) and spec.head_of is not None for spec in trained)
    if not carried:
        return ""
    return (
        f"Heads: {carried} targets go on with their parent's, {len(trained) - carried} begin anew."
    )


def _selecting(found: Plan) -> dict[str, int]:
    """How many trainings hand over the checkpoint that is best by held-out rows, or by an oracle;
    those of each kind that there are."""
    specs = [shard.spec for shard in found.shards.values()]
    chosen = [spec.selection for spec in specs if isinstance(spec, TrainSpec) and spec.selection]
    oracles = sum(bool(each.reported) for each in chosen)
    counts = {"hold-out": len(chosen) - oracles, "oracle": oracles}
    return {by: count for by, count in counts.items() if count}


def _selection(found: Plan) -> str:
    by = {"hold-out": "by held-out rows", "oracle": "with a look at the answers (no result)"}
    told = [f"{count} {by[kind]}" for kind, count in _selecting(found).items()]
    return f"Trainings that hand over their best checkpoint: {', '.join(told)}." if told else ""


def show(opened: Session, console: Console) -> None:
    found, costs = opened.plan, cost(opened)
    sentences = _sentences(opened, costs)  # what is refused is refused before anything is printed
    counts = Counter(shard.stage for shard in found.shards.values())
    table = Table(title=f"plan of {found.sweep}", title_justify="left")
    for heading, side in (("stage", "left"), ("shards", "right"), ("device-hours", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for stage in _STAGES:
        hours = f"{costs.device_hours.get(stage, 0.0):.2f}" if costs else "?"
        table.add_row(stage, str(counts[stage]), hours)
    total = f"{costs.total_hours:.2f}" if costs else "?"
    table.add_row("total", str(len(found.shards)), total, style="bold")
    console.print(table)
    say(console, sentences)


def _sentences(opened: Session, costs: Forecast | None) -> str:
    found, jobs = opened.plan, jobs_of(opened)
    lines = [
        f"{many(len(found.cells), 'cell', 'ask')} for {many(found.wanted, 'shard')}; sharing saves "
        f"{found.shared:,}. {many(jobs, 'job')}; bundling ({opened.profile.bundling}) saves "
        f"{len(found.shards) - jobs:,}."
    ]
    lines += filter(None, [_heads(found), _selection(found)])
    lines.append(f"{opened.fit.reason}.")
    if costs:
        lines.append(
            f"Disk: {costs.peak_bytes / 2**30:.1f} GiB at the peak, "
            f"{costs.final_bytes / 2**30:.1f} GiB in the end (keep: {found.keep}), "
            f"in about {costs.inodes:,} files and folders."
        )
    if not found.locked:
        lines.append(
            "Provisional, from published counts and estimated lengths: no lock yet. "
            "`xtl prepare` resolves counts, lengths and ids."
        )
    return "\n".join(lines)
