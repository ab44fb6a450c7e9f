"""`xtl resubmit`: run shards again, after a person has looked at them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from jobs.again import what_again
from jobs.choosing import Classes, Shards, Sizes, Tasks, choose
from jobs.confirming import confirmed, forget, require_decided, require_unchanged
from jobs.ids import beginnings
from jobs.live import paused
from jobs.offering import Code, Mode, Offer
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, Yes, print_json, session
from jobs.sweep import sweep
from xtl.errors import UserError
from xtl.launch.code import Frozen, current, ensure
from xtl.launch.differences import differences
from xtl.launch.removal import set_aside
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

_STOPPED = ("cancelled", "diverged")  # by a person; for good


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
        bool,
        typer.Option(
            "--override",
            help="Lift the pause of a sweep that stopped because several shards failed alike: it "
            "submits again, these and all others.",
        ),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave at once; it goes on.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run failed shards again, all or what the filters leave, once you have agreed to the list.

    They get a fresh budget of tries and go on from their last checkpoint; what is blocked by them
    follows by itself. What was cancelled, or diverged, is left out unless --class or --shard names
    it. Filters of one kind add up, those of several narrow each other down. Whatever the checkout
    has become, shards run the code that was frozen when the sweep began, unless --with current.

    --dry-run --json: `shards`, each with `id`, `name`, `cls` and `line` (why it failed), `attempts`
    so far, `goes_on_from` and `micro_batch` where that changes; ids of what would `follow`, what
    `may_become_stale` and, by class, what is `left_out`; `code` that differs; the `pause`.
    """
    require_decided(json, yes, dry_run)
    opened, console = session(manifest, root, cluster, profile), Console(highlight=False)
    filtered, named = bool(shard or cls or size or task), bool(shard or cls)
    _check(mode, filtered)

    def look() -> Offer:
        seen, known = opened.look()
        within = choose(opened.plan, known, shard, cls, size, task)
        left_out = {} if named or mode is Mode.CACHED else _stopped(known, within)
        stopped = {key for keys in left_out.values() for key in keys}
        within = [key for key in within if key not in stopped]
        chosen = _chosen(opened.plan, known, within, mode)
        again = what_again(opened, seen.evidence, known, chosen, forced=mode is Mode.FORCE)
        pause = opened.store.pauses.current()
        changes, ids = _differences(opened, code), beginnings(opened.plan)
        return Offer(again, mode, code, changes, pause, left_out, ids)

    offer = look()
    if not json:
        offer.show(console, filtered, override)
    nothing = not (offer.again.entries or code is Code.CURRENT or (override and offer.pause))
    if dry_run or (nothing and mode is not Mode.CACHED):
        if json:
            print_json(offer.data())
        return
    if offer.pause and not override:
        raise UserError(f"the sweep is {paused(offer.pause)}")
    opened.require_runnable()
    if not confirmed(console, "Run these?", yes):
        raise typer.Exit(1)
    if not yes:
        forget(opened)
        require_unchanged(offer.what, look().what)
    _carry_out(opened, offer, override)
    sweep(manifest, root, cluster, profile, detach=detach, dry_run=False, json=json)


def _carry_out(opened: Session, offer: Offer, override: bool) -> None:
    if offer.code is Code.CURRENT:
        ensure(opened.store, renew=True)
    for entry in offer.again.entries:
        if offer.mode is Mode.FORCE:
            set_aside(opened.store, entry.shard)
        opened.store.pardon(entry.shard, time.time())
    if override:
        opened.store.pauses.lift()


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


def _stopped(known: Mapping[str, State], within: list[str]) -> dict[str, list[str]]:
    """Of what failed, by class, what is not run again unless somebody names it."""
    failed = [key for key in within if known[key].name == "failed"]
    found = {
        cls: [key for key in failed if (of := known[key].failure) and of.cls == cls]
        for cls in _STOPPED
    }
    return {cls: keys for cls, keys in found.items() if keys}


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
