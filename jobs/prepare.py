"""`xtl prepare`: fetch or build the model and the data, and write the lock."""

from __future__ import annotations

from rich.console import Console

from jobs.options import Cluster, DryRun, Json, Manifest, Profile, Root, print_json, session
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.session import Session


def prepare(
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Bring the model and the data into the mirror and lock them: run it where there is network.

    What is locked stays as it is; run again, it fetches only what is missing.
    """
    opened = session(manifest, root, cluster, profile)
    console = Console(stderr=True, highlight=False, quiet=json)
    if dry_run:
        show_wanted(opened, Console(highlight=False, quiet=json))
    else:
        ensure_prepared(opened, console)
        opened.settle_in()
    if json:
        lock = opened.lock and opened.lock.model_dump(mode="json")
        print_json({"lock": lock, "missing": wanted(opened)})


def wanted(opened: Session) -> list[str]:
    """What the lock or the mirror does not have yet, by name."""
    from xtl.launch.prepare import missing

    return missing(opened.manifest, opened.lock, Mirror(opened.mirror))


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


def ensure_prepared(opened: Session, console: Console) -> None:
    """Write the lock unless it and the mirror have everything. Long work says where it is."""
    from xtl.launch.prepare import is_complete
    from xtl.launch.prepare import prepare as resolve

    mirror = Mirror(opened.mirror)
    if is_complete(opened.manifest, opened.lock, mirror):
        return
    with console.status("preparing model and data") as status:

        def report(line: str) -> None:
            status.update(line)
            if not console.is_terminal:
                console.print(line)

        lock = resolve(
            opened.manifest,
            opened.lock,
            mirror,
            opened.profile.cache_folder(),
            report,
        )
    opened.store.write_lock(lock)
    opened.forget()
    console.print(f"prepared: {len(lock.tables)} tables and {lock.model.repo} are locked")
