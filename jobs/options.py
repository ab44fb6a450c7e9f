"""The options that every verb has in common."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from xtl.errors import UserError
from xtl.launch.session import Session, open_session
from xtl.tracking.record import encode

DEMO = Path(__file__).parent / "manifests" / "demo.yaml"

Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", "-m", help="What to run, in YAML. Default: the embedded demo."),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="The sweep's folder; a new one needs --manifest. Default: runs/<the manifest's name>.",
    ),
]
Cluster = Annotated[
    str, typer.Option("--cluster", help="auto, slurm, or local (this machine, no scheduler).")
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", help="What the cluster is: a name in slurm/profiles, or a file."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
NothingToDry = Annotated[
    bool, typer.Option("--dry-run", help="For scripts: this verb changes nothing in any case.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Json = Annotated[bool, typer.Option("--json", help="The same for machines, as JSON.")]


def session(manifest: Path | None, root: Path | None, cluster: str, profile: str | None) -> Session:
    """The sweep that the options name; a root alone names the manifest that it keeps. What this
    process and its jobs write from now on, others may read as the profile says."""
    opened = open_session(manifest or _kept(root), root, cluster, profile)
    if opened.profile.umask is not None:
        os.umask(opened.profile.umask)
    return opened


def _kept(root: Path | None) -> Path:
    """A root that keeps no manifest is a slip of the pen, and never the demo."""
    if root is None:
        return DEMO
    kept = root / "manifest.yaml"
    if not kept.exists():
        raise UserError(
            f"--root: found no manifest.yaml in {root}, expected a sweep's folder, "
            "or --manifest (MANIFEST=) beside it for a new one"
        )
    return kept


def print_json(value: Any) -> None:
    """With NaN and infinities as the strings that W&B's records have for them: JSON has neither."""
    print(json.dumps(encode(value), ensure_ascii=False, indent=1, allow_nan=False))
