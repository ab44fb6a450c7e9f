"""`xtl prepare`: fetch or build the model and the data, write the lock, tokenise the pools."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from jobs.locked import show_locked
from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from jobs.renewal import Renewal, renew
from jobs.steps import Steps
from jobs.wording import say
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch import machine
from xtl.launch.session import Session

MOST_CORES = 4  # a login node is shared
_NAMED = 4  # tables of a repo; the rest are counted
_PATIENCE_SECONDS = 1.0
_POOLS = ("RAYON_NUM_THREADS", "ARROW_IO_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Libraries that start a thread a core unless one of these says how many; pyarrow asks OMP's."""

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
    if yes and not update:
        raise UserError("--yes: found without --update, expected both or none")
    opened = session(manifest, root, cluster, profile)
    console = Console(stderr=True, highlight=False, quiet=json)
    renewal = None
    if update and opened.lock:
        with _few_threads(cores), _stopped_soon(console):
            renewal = renew(opened, console, yes=yes, dry_run=dry_run, json=json)
    elif dry_run:
        show_wanted(opened, Console(highlight=False, quiet=json))
    else:
        ensure_prepared(opened, console, tokens=tokens, processes=cores)
        opened.settle_in()
        console.print("all is locked, and in the mirror" + ("" if tokens else "; tokens are not"))
    if json:
        print_json(_as_data(opened, renewal))


def _as_data(opened: Session, renewal: Renewal | None) -> dict[str, object]:
    """The same keys whatever is asked; `missing` is null where the manifest refuses the lock."""
    lock = opened.lock and opened.lock.model_dump(mode="json")
    missing = None
    with contextlib.suppress(UserError):
        missing = wanted(opened)
    return {"lock": lock, "missing": missing, "update": renewal and renewal.as_data()}


def is_resolved(opened: Session) -> bool:
    """Whether the lock and the mirror have all that the manifest names."""
    return not _unresolved(opened)


def _unresolved(opened: Session) -> list[str]:
    from xtl.launch.prepare import missing

    return missing(opened.manifest, opened.lock, Mirror(opened.mirror))


def wanted(opened: Session) -> list[str]:
    """What the lock, the mirror or the token cache does not have yet, by name."""
    found = _unresolved(opened)
    return found or [f"tokens of {request.name}" for request in opened.tokens.missing(opened.plan)]


def show_wanted(opened: Session, console: Console) -> None:
    names = wanted(opened)
    if not names:
        console.print("all is locked, and in the mirror")
        return
    first = f"would put into {opened.mirror}"
    lock = "" if names[0].startswith("tokens of ") else ", lock and tokenise"
    for line in (f"{first}{lock}:", *(f"  {name}" for name in _by_repo(names))):
        console.print(Text(line), soft_wrap=True)


def _by_repo(names: list[str]) -> list[str]:
    """A line a repo: it may have a hundred tables."""
    tables: dict[str, list[str]] = {}
    for name in names:
        repo = name if name.startswith("tokens of ") else "/".join(name.split("/")[:2])
        tables.setdefault(repo, []).append(name.removeprefix(repo).strip("/"))
    return [repo + _some(of) for repo, of in tables.items()]


def _some(tables: list[str]) -> str:
    if not any(tables):
        return ""
    more = f" and {len(tables) - _NAMED} more" if len(tables) > _NAMED else ""
    return f": {', '.join(tables[:_NAMED])}{more}"


def require_prepared(opened: Session) -> None:
    """For where there may be no network. Raises UserError unless all is there."""
    names = wanted(opened)
    if names:
        raise UserError(f"not prepared: found no {names[0]}, expected `xtl prepare` to have run")
    _judges(opened)


def ensure_prepared(
    opened: Session, console: Console, *, tokens: bool = True, processes: int | None = None
) -> None:
    """Write the lock unless it and the mirror have everything, and tokenise. Long work says where
    it is. UserError where the manifest refuses what is locked."""
    with _few_threads(processes), _stopped_soon(console):
        _lock(opened, console)
        plan = opened.plan
        made = opened.tokens.missing(plan) if tokens else {}
        if made:
            with Steps(console, "tokenising") as steps:
                opened.tokens.ensure(plan, processes or _cores(), steps.say)
        opened.tokens.clear()
        if tokens and (judges := _judges(opened)):
            say(console, judges)


def _judges(opened: Session) -> str:
    """What checkpoints are judged by, in a line; "" where none is selected. UserError where some
    would be judged by nothing."""
    from xtl.launch.judges import held_out_rows, told

    return told(held_out_rows(opened.plan, opened.tokens, str(opened.manifest_path)))


def _lock(opened: Session, console: Console) -> None:
    from xtl.launch.prepare import missing, resolve

    mirror, before = Mirror(opened.mirror), opened.lock
    if not missing(opened.manifest, before, mirror):
        return
    with Steps(console, "preparing model and data") as steps:
        lock = resolve(
            opened.manifest, before, mirror, opened.profile.cache_folder(), steps.say
        )  # fmt: skip
    if lock != before:
        opened.store.write_lock(lock)
        opened.forget()
    show_locked(opened.manifest, lock, console)


@contextlib.contextmanager
def _stopped_soon(console: Console) -> Iterator[None]:
    """Ctrl-C ends the process in a second: a download's threads would be waited for, megabytes of
    a slow link each. What is on disk is ready for that at any instant."""

    def leave() -> None:
        console.show_cursor()
        console.print("stopped: what came is kept, `xtl prepare` goes on with it")
        if console.is_terminal:
            console.file.write("\r\033[2K")  # the status line, if it is still there
        console.file.flush()
        os._exit(130)

    def stop(*_: object) -> None:
        late = threading.Timer(_PATIENCE_SECONDS, leave)
        late.daemon = True
        late.start()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):  # in a script's background: Ctrl-C is for another
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    except KeyboardInterrupt:
        leave()
    finally:
        signal.signal(signal.SIGINT, before)


def _cores() -> int:
    return min(MOST_CORES, machine.cores())


@contextlib.contextmanager
def _few_threads(processes: int | None) -> Iterator[None]:
    """Libraries that are loaded meanwhile, here and in processes that are started, keep to a login
    node's share of cores, unless the user's environment says otherwise."""
    cores = str(processes or _cores())
    new = {name: cores for name in _POOLS if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)
