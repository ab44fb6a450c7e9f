"""`xtl resubmit`: run shards again, after a person has looked at them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from jobs.again import Again, what_again
from jobs.choosing import Classes, Shards, Sizes, Tasks, choose
from jobs.columns import plain_table
from jobs.confirming import confirmed
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, Yes, print_json, session
from jobs.sweep import sweep
from xtl.errors import UserError
from xtl.launch.code import Frozen, current, ensure
from xtl.launch.differences import differences
from xtl.launch.records import Pause
from xtl.launch.removal import set_aside
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

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


def resubmit(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    shard: Shards = None,
    cls: Classes = None,
    size: Sizes = None,
    task: Tasks = None,
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            help="cached: run what has no valid result, as `sweep` does. retry: failed ones get a "
            "fresh budget and go on from their checkpoints. force: done ones too, from the start; "
            "the old results are set aside.",
        ),
    ] = Mode.RETRY,
    code: Annotated[
        Code,
        typer.Option(
            "--with",
            help="The code that the sweep has frozen, or the current checkout, frozen anew.",
        ),
    ] = Code.FROZEN,
    override: Annotated[
        bool, typer.Option("--override", help="End the pause of a sweep that has stopped itself.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave at once; it goes on.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run failed shards again, all or what the filters leave, once you have agreed to the list.

    They get a fresh budget of tries and go on from their last checkpoint; what is blocked by them
    follows by itself. Filters of one kind add up, those of several narrow each other down.
    Whatever the checkout has become, shards run the code that was frozen when the sweep began,
    unless --with current.
    """
    opened = session(manifest, root, cluster, profile)
    filtered = bool(shard or cls or size or task)
    _check(mode, filtered)
    seen, known = opened.look()
    within = choose(opened.plan, known, shard, cls, size, task)
    chosen = _chosen(opened.plan, known, within, mode)
    again = what_again(opened, seen.evidence, known, chosen, forced=mode is Mode.FORCE)
    changes, pause = _differences(opened, code), opened.store.pauses.current()
    said = _data(again, mode, code, changes, pause)
    if not json:
        _show(opened, again, mode, filtered)
        _show_code(changes, code)
        _show_pause(pause, override)
    nothing = not (chosen or code is Code.CURRENT or (override and pause))
    if dry_run or (nothing and mode is not Mode.CACHED):
        if json:
            print_json(said)
        return
    if pause and not override:
        raise UserError(f"the sweep is paused: {pause.line}: mend that, then --override")
    opened.require_runnable()
    if not confirmed(Console(stderr=json), "Run these?", yes):
        raise typer.Exit(1)
    if code is Code.CURRENT:
        ensure(opened.store, renew=True)
    for key in chosen:
        if mode is Mode.FORCE:
            set_aside(opened.store, key)
        opened.store.pardon(key, time.time())
    if override:
        opened.store.pauses.lift()
    sweep(manifest, root, cluster, profile, detach=detach, dry_run=False, json=json)


def _check(mode: Mode, filtered: bool) -> None:
    if mode is Mode.FORCE and not filtered:
        raise UserError(
            "--mode force: found no filter, expected --shard, --class, --size or --task: it runs "
            "what is done once more"
        )
    if mode is Mode.CACHED and filtered:
        raise UserError(
            "--mode cached: found a filter, expected none: it runs all that has no valid result, "
            "as `xtl sweep` does"
        )


def _chosen(plan: Plan, known: Mapping[str, State], within: list[str], mode: Mode) -> list[str]:
    """Raises UserError for one that is alive, where it is to be forced."""
    if mode is Mode.CACHED:
        return []
    if mode is Mode.RETRY:
        return [key for key in within if known[key].name == "failed"]
    for key in within:
        if known[key].name in ("running", "queued", "unknown"):
            raise UserError(
                f"--mode force: found {plan.shards[key].name} {known[key].name}, expected shards "
                "that nothing runs: `xtl cancel` first, or leave it out"
            )
    return within


def _differences(opened: Session, code: Code) -> list[str]:
    """How the checkout's code differs from the frozen, in lines for people; empty: it does not."""
    frozen = current(opened.store) if code is Code.FROZEN else _readable(opened.store)
    found = differences(frozen) if frozen else None
    return found.summary() if found else []


def _readable(store: Store) -> Frozen | None:
    """A damaged copy is no obstacle to a new one."""
    try:
        return current(store)
    except UserError:
        return None


def _data(
    again: Again, mode: Mode, code: Code, changes: list[str], pause: Pause | None
) -> dict[str, Any]:
    return {
        "resubmit": sorted(entry.shard for entry in again.entries),
        "shards": [entry.data() for entry in again.entries],
        "follow": list(again.follow),
        "mode": mode,
        "with": code,
        "code": changes,
        "pause": pause and pause.model_dump(),
    }


def _show(opened: Session, again: Again, mode: Mode, filtered: bool) -> None:
    console = Console(highlight=False)
    rows = again.entries
    if rows:
        halved = any(entry.micro_batch for entry in rows)
        right = ("tries", "batch") if halved else ("tries",)
        table = plain_table("shard", "class", "why", "from", right=right, wrap=True)
        table.columns[2].overflow = "fold"
        table.columns[0].min_width, table.columns[2].min_width = 18, 14
        table.columns[1].no_wrap, table.columns[3].no_wrap = True, True
        for entry in rows[:_SHOWN]:
            cells = [entry.name, entry.cls or "-", entry.line, entry.goes_on_from]
            cells += [str(entry.attempts or "-")] + ([entry.micro_batch] if halved else [])
            table.add_row(*map(Text, cells))
        console.print(table)
        if rows[_SHOWN:]:
            console.print(f"… and {len(rows) - _SHOWN} more")
    more = len(again.follow)
    if not rows and mode is not Mode.CACHED:
        console.print("nothing of that has failed" if filtered else "nothing has failed")
    elif mode is Mode.FORCE:
        console.print(f"{len(rows)} shards to run anew; their old results are set aside, not lost")
    elif rows:
        console.print(f"{len(rows)} failed shards to run again")
    if more and (rows or mode is Mode.CACHED):
        kind = "blocked, missing or needed by these" if rows else "without a valid result"
        console.print(f"{more} {'more ' if rows else ''}shards to run, {kind}")
    elif mode is Mode.CACHED:
        console.print("every shard has its result, or waits for a person")


def _show_code(changes: list[str], code: Code) -> None:
    if changes:
        head = "the code changes" if code is Code.CURRENT else "the code stays as it was"
        Console(highlight=False).print(Text("\n".join([f"{head}:", *changes])))


def _show_pause(pause: Pause | None, override: bool) -> None:
    if pause:
        what = "--override ends the pause" if override else "nothing is run without --override"
        line = f"the sweep is paused ({pause.cause}): {pause.line}; {what}"
        Console(highlight=False).print(Text(line, style="yellow"), soft_wrap=True)
