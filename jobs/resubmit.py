"""`xtl resubmit`: run failed shards again, after a person has looked at them."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from jobs.sweep import sweep
from xtl.errors import UserError
from xtl.launch.code import Frozen, current, ensure
from xtl.launch.differences import differences
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.launch.store import Store


class Code(StrEnum):
    """Which code the resubmitted shards run."""

    FROZEN = "frozen"
    CURRENT = "current"


def resubmit(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    shard: Annotated[
        list[str] | None,
        typer.Option(
            "--shard",
            help="Only this failed one: its id in `xtl status --json`, or how that begins. "
            "May be given again.",
        ),
    ] = None,
    code: Annotated[
        Code,
        typer.Option(
            "--with",
            help="The code that the sweep has frozen, or the current checkout, frozen anew.",
        ),
    ] = Code.FROZEN,
    detach: Annotated[bool, typer.Option("--detach", help="Leave at once; it goes on.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give failed shards a fresh budget of tries, and run what is missing as `sweep` does.

    All failed ones by default. They go on from their last checkpoint. Whatever the checkout has
    become, they run the code that was frozen when the sweep began, unless --with current.
    """
    opened = session(manifest, root, cluster, profile)
    _, known = opened.look()
    chosen = {key: state for key, state in known.items() if state.name == "failed"}
    if shard:
        chosen = {key: chosen[key] for key in _named(shard, chosen)}
    changes = _differences(opened, code)
    if not json:
        _show(opened, chosen)
        _show_code(changes, code)
    if dry_run or not (chosen or code is Code.CURRENT):
        if json:
            print_json({"resubmit": sorted(chosen), "with": code, "code": changes})
        return
    opened.require_runnable()
    if code is Code.CURRENT:
        ensure(opened.store, renew=True)
    for key in chosen:
        opened.store.pardon(key, time.time())
    sweep(manifest, root, cluster, profile, detach=detach, dry_run=False, json=json)


def _differences(opened: Session, code: Code) -> list[str]:
    """How the checkout's code differs from the frozen, in lines for people; empty: it does not."""
    frozen = current(opened.store) if code is Code.FROZEN else _readable(opened.store)
    found = differences(frozen) if frozen else None
    return found.summary() if found else []


def _show_code(changes: list[str], code: Code) -> None:
    if changes:
        head = "the code changes" if code is Code.CURRENT else "the code stays as it was"
        Console(highlight=False).print(Text("\n".join([f"{head}:", *changes])))


def _readable(store: Store) -> Frozen | None:
    """A damaged copy is no obstacle to a new one."""
    try:
        return current(store)
    except UserError:
        return None


def _named(wanted: list[str], failed: dict[str, State]) -> list[str]:
    found = []
    for prefix in wanted:
        matches = [key for key in failed if key.startswith(prefix)]
        if len(matches) != 1:
            raise UserError(
                f"--shard: found {prefix!r} for {len(matches)} failed shards, expected one: "
                "`xtl status --json` lists them"
            )
        found += matches
    return found


def _show(opened: Session, chosen: dict[str, State]) -> None:
    console = Console(highlight=False)
    console.print(f"{len(chosen)} failed shards to run again" if chosen else "nothing has failed")
    for key, state in chosen.items():
        assert state.failure
        name = opened.plan.shards[key].name
        console.print(Text(f"  {name}  ({state.failure.cls}) {state.failure.line}"))
