"""Whether jobs can be held in cgroups here, and what nodes leave behind in them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("freezer", "memory", "cpuacct")  # what Slurm's plugins for cgroup v1 use


def why_not(root: Path = ROOT) -> str | None:
    """Why Slurm cannot use cgroups here; None if it can.

    Version 1 only: for version 2, Slurm 22.05 wants systemd, or to manage the whole tree.
    """
    if (root / "cgroup.controllers").exists():
        return "this machine has cgroup version 2 alone"
    for controller in _CONTROLLERS:
        if not (root / controller / "cgroup.procs").exists():
            return f"there is no {controller} cgroup"
        probe = root / controller / f"xtl-testbed-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"{root / controller}: {error.strerror}"
    return None


def of_testbed(name: str, root: Path = ROOT) -> list[Path]:
    """What slurmd made for a testbed's nodes: a folder in each controller, `slurm_<node>`."""
    node = re.compile(rf"slurm_{re.escape(name)}-\d+")
    return [path for path in root.glob("*/slurm_*") if node.fullmatch(path.name)]


def remove(paths: Iterable[Path], limit_s: float = 5.0) -> None:
    """Remove cgroups from the leaves up; those of processes that just ended may take a moment."""
    end = time.monotonic() + limit_s
    for path in paths:
        for folder, _, _ in os.walk(path, topdown=False):
            while Path(folder).exists() and not _removed(Path(folder)):
                if time.monotonic() > end:
                    raise TimeoutError(f"{folder}: still in use after {limit_s:g} s")
                time.sleep(0.02)


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
        return True
    return False
