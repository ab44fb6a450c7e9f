"""`xtl prepare`: fetch or build the model and the data, write the lock, tokenise the pools."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from jobs.renewal import renew
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch import machine
from xtl.launch.session import Session
from xtl.sweep.leaks import require_accepted

MOST_CORES = 4  # a login node is shared

Cores = Annotated[
    int | None,
    typer.Option("--cores", min=1, help="Processes that tokenise. Default: 4, or what is here."),
]


def prepare(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Fetch today's revisions beside the locked ones, and show which shards they "
            "would replace. With --yes, lock them.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --update: lock what was shown.")] = False,
    tokens: Annotated[
        bool,
        typer.Option(
            help="Tokenise what is trained and evaluated on. --no-tokens leaves that to a job: "
            "`srun -c 16 xtl prepare --cores 16`."
        ),
    ] = True,
    cores: Cores = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Bring the model and the data into the mirror and lock them: run it where there is network.

    What is locked stays as it is; run again, it fetches and tokenises only what is missing, and
    goes on with a download that was cut off.
    """
    opened = session(manifest, root, cluster, profile)
    console = Console(stderr=True, highlight=False, quiet=json)
    if update and opened.lock:
        renew(opened, console, yes=yes, dry_run=dry_run, json=json)
        return
    if dry_run:
        show_wanted(opened, Console(highlight=False, quiet=json))
    else:
        ensure_prepared(opened, console, tokens=tokens, processes=cores)
        opened.settle_in()
    if json:
        lock = opened.lock and opened.lock.model_dump(mode="json")
        print_json({"lock": lock, "missing": wanted(opened)})


def wanted(opened: Session) -> list[str]:
    """What the lock, the mirror or the token cache does not have yet, by name."""
    from xtl.launch.prepare import missing

    found = missing(opened.manifest, opened.lock, Mirror(opened.mirror))
    return found or [f"tokens of {request.name}" for request in opened.tokens.missing(opened.plan)]


def show_wanted(opened: Session, console: Console) -> None:
    names = wanted(opened)
    console.print(f"would put into {opened.mirror} and lock:" if names else "all is locked already")
    for name in names:
        console.print(f"  {name}")


def require_prepared(opened: Session) -> None:
    """For where there may be no network. Raises UserError unless all is there."""
    names = wanted(opened)
    if names:
        raise UserError(f"not prepared: found no {names[0]}, expected `xtl prepare` to have run")


def ensure_prepared(
    opened: Session, console: Console, *, tokens: bool = True, processes: int | None = None
) -> None:
    """Write the lock unless it and the mirror have everything. Long work says where it is."""
    from xtl.launch.prepare import missing, resolve

    mirror = Mirror(opened.mirror)
    with console.status("preparing model and data") as status:

        def report(line: str) -> None:
            status.update(line)
            if not console.is_terminal:
                console.print(line)

        if missing(opened.manifest, opened.lock, mirror):
            cache = opened.profile.cache_folder()
            lock = resolve(opened.manifest, opened.lock, mirror, cache, report)
            opened.store.write_lock(lock)
            opened.forget()
            console.print(f"locked: {len(lock.tables)} tables and {lock.model.repo}")
            _say_faults(opened, console)
        if opened.lock:
            require_accepted(opened.manifest, opened.lock)
        if tokens:
            opened.tokens.ensure(opened.plan, processes or min(MOST_CORES, machine.cores()), report)


def _say_faults(opened: Session, console: Console) -> None:
    """What was wrong with the data and is mended, left out, or only said: a line a table."""
    tables: dict[str, Any] = dict(opened.lock.tables) if opened.lock else {}
    for name, table in tables.items():
        if table.faults:
            said = ", ".join(f"{fault}: {rows:,} rows" for fault, rows in table.faults.items())
            console.print(f"  {name}: {said}", soft_wrap=True)
