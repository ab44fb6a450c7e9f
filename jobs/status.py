"""`xtl status`: the state of every shard, from its folder and the scheduler."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from jobs import tails, why
from jobs.choosing import one_shard
from jobs.options import Cluster, Json, Manifest, NothingToDry, Profile, Root, print_json, session
from jobs.overview import View, drive
from jobs.watching import watch
from xtl.errors import UserError
from xtl.launch.logs import tails as ends_of_logs
from xtl.launch.records import Attempt
from xtl.launch.session import Session

_LINES = 20


def status(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    every: Annotated[bool, typer.Option("--all", help="Show shards that are done, too.")] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what is failed, blocked, lost or unknown.")
    ] = False,
    watched: Annotated[
        bool, typer.Option("--watch", help="Look again and again, until nothing moves.")
    ] = False,
    of: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="SHARD",
            help="All that is known of one: its id, how that begins, or its name or a part of it.",
        ),
    ] = None,
    logs: Annotated[
        str | None,
        typer.Option("--logs", metavar="SHARD", help="The ends of the logs of all its ranks."),
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=1, help="With --logs: of each log. Default: 20."),
    ] = None,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", min=1, help="With --logs: whose. Default: the latest."),
    ] = None,
    dry_run: NothingToDry = False,
    json: Json = False,
) -> None:
    """Show what is done, runs, waits or failed, and why. Changes nothing.

    --why and --logs tell of one shard, such as `xtl status --why 3f2a`; --watch asks Slurm no more
    often than the profile's poll_seconds. Where it says no more, a loss is that of the last update.
    """
    if sum((watched, of is not None, logs is not None)) > 1 or (watched and json):
        raise UserError(
            "status: found several of --watch, --why, --logs and --json with --watch, "
            "expected one picture at a time"
        )
    if logs is None and (lines or attempt):
        found = "--attempt" if attempt else "--lines"
        raise UserError(f"status: found {found} alone, expected --logs SHARD beside it")
    opened = session(manifest, root, cluster, profile)
    console = Console(highlight=False)
    if of is not None:
        _why(opened, of, console, json)
    elif logs is not None:
        _logs(opened, logs, attempt, lines or _LINES, console, json)
    else:
        view = View(opened, every, failed)
        if json:
            print_json(view.data())
        elif watched:
            watch(console, lambda: view.picture(console.width, most=console.height))
        else:
            console.print(view.picture(console.width).shown)


def _why(opened: Session, text: str, console: Console, json: bool) -> None:
    observation, known = opened.look()
    shard = one_shard(opened.plan, known, text)
    own = observation.evidence[shard]
    story = why.tell(opened.store, opened.plan, shard, known, own, drive(opened))
    if json:
        print_json(story.data())
    else:
        story.show(console)


def _logs(
    opened: Session, text: str, number: int | None, count: int, console: Console, json: bool
) -> None:
    observation, known = opened.look()
    shard = one_shard(opened.plan, known, text)
    attempts = observation.evidence[shard].attempts
    chosen = _attempt(opened.plan.shards[shard].name, attempts, number)
    latest = chosen is attempts[-1]
    root = tails.page(opened.store, known[shard].failure) if latest else None
    found = ends_of_logs(opened.store, chosen, count)
    if json:
        about = {"id": shard, "attempt": chosen.claim.attempt}
        print_json(about | tails.as_data(opened.store, found, root))
        return
    console.print(Text(f"{opened.plan.shards[shard].name}, attempt {chosen.claim.attempt}"))
    tails.show(console, opened.store, found, root)
    if not found:
        console.print("its logs are empty")


def _attempt(name: str, attempts: tuple[Attempt, ...], number: int | None) -> Attempt:
    found = [entry for entry in attempts if number in (None, entry.claim.attempt)]
    if not found:
        there = ", ".join(str(entry.claim.attempt) for entry in attempts) or "none"
        wanted = f"--attempt {number}" if number else "no attempt"
        raise UserError(f"{name}: found {wanted}, expected one that there was ({there})")
    return found[-1]
