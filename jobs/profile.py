"""`xtl profile`: write a first profile of this cluster, from what Slurm says of it."""

from __future__ import annotations

import re
from json import loads
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.options import DryRun, Json, print_json
from xtl.errors import UserError
from xtl.files import create_once
from xtl.launch.profile import PROFILES
from xtl.launch.slurm.client import Client, configured
from xtl.launch.slurm.discover import Discovery, discover
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError

Output = Annotated[
    Path | None, typer.Option("--output", help="The file. Default: slurm/profiles/NAME.yaml.")
]
Name = Annotated[
    str | None, typer.Option("--name", help="What to call it. Default: the cluster's name.")
]


def profile(
    output: Output = None, name: Name = None, dry_run: DryRun = False, json: Json = False
) -> None:
    """Write a first profile of this cluster; never over one that is there."""
    found = _ask()
    path = output or PROFILES / f"{_checked(name or found.cluster)}.yaml"
    if path.exists() or not (dry_run or create_once(path, found.text)):
        key = "--output" if output else "--name"
        raise UserError(f"{key}: found {path}, which is there already, expected a new file")
    if json:
        print_json(_data(found, path, written=not dry_run))
        return
    console = Console(highlight=False)
    console.print(_table(found))
    console.print(f"would write {path}" if dry_run else f"wrote {path}", soft_wrap=True)


def _ask() -> Discovery:
    if not configured():
        raise UserError("found no Slurm here, expected a login node, or SLURM_CONF to name one")
    try:
        return discover(Client())
    except (SlurmSilentError, SlurmRefusedError) as error:
        raise UserError(f"Slurm: {error}: expected a cluster that answers") from None


def _checked(name: str) -> str:
    """As `--profile` takes it: with a dot or a slash it would be a path."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UserError(f"--name: found {name!r}, expected letters, digits, - and _")
    return name


def _data(found: Discovery, path: Path, written: bool) -> dict[str, object]:
    return {
        "path": str(path),
        "written": written,
        "profile": found.profile.model_dump(mode="json"),
        "chosen": [vars(choice) | {"value": loads(choice.value)} for choice in found.choices],
    }


def _table(found: Discovery) -> Table:
    table = Table(box=None, pad_edge=False, title=f"profile of {found.cluster}")
    table.title_justify = "left"
    for heading in ("key", "value", "because"):
        table.add_column(heading, overflow="fold")
    for choice in found.choices:
        table.add_row(choice.key, choice.value.strip('"'), choice.reason)
    return table
