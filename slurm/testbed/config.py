"""The files that a testbed's daemons read, made from templates/."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slurm.testbed.layout import Layout, Settings
from slurm.testbed.network import Network

_TEMPLATES = Path(__file__).with_name("templates")
_NULL = os.makedev(1, 3)
_SECRET = 0o600  # slurmdbd refuses a file that others can read


def render(name: str, layout: Layout, settings: Settings, network: Network) -> str:
    """The text of a template, for a testbed."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # shell and Slurm's own format; every value is ours
    )
    return templates.get_template(f"{name}.j2").render(
        layout=layout,
        folder=layout.folder,
        nodes=layout.nodes(settings),
        settings=settings,
        cgroups=settings.cgroups,
        network=network,
        bin=Path(sys.executable).parent,
    )


def write(layout: Layout, settings: Settings, network: Network) -> None:
    """Everything below etc/, and the devices that stand for GPUs."""
    for template in _TEMPLATES.glob("*.j2"):
        path = layout.folder / "etc" / template.stem
        path.write_text(render(template.stem, layout, settings, network), encoding="utf-8")
        path.chmod(_SECRET if path.name == "slurmdbd.conf" else 0o644)
    for number in range(settings.gpus):
        device = layout.folder / "dev" / f"nvidia{number}"
        os.mknod(device, 0o20666, _NULL)
