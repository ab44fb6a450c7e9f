"""The options that every verb has in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from xtl.launch.session import Session, open_session

DEMO = Path(__file__).parent / "manifests" / "demo.yaml"

Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", "-m", help="What to run, in YAML. Default: the embedded demo."),
]
Root = Annotated[
    Path | None,
    typer.Option("--root", help="The sweep's folder. Default: runs/<the manifest's name>."),
]
Cluster = Annotated[
    str, typer.Option("--cluster", help="auto, slurm, or local (this machine, no scheduler).")
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", help="What the cluster is: a name in slurm/profiles, or a file."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="The same for machines, as JSON.")]


def session(manifest: Path | None, root: Path | None, cluster: str, profile: str | None) -> Session:
    """The sweep that the options name; a root alone names the manifest that it keeps."""
    kept = root / "manifest.yaml" if root else None
    chosen = manifest or (kept if kept and kept.exists() else DEMO)
    return open_session(chosen, root, cluster, profile)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))
