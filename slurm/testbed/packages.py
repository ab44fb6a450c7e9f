"""What the testbed needs of its machine: Debian packages, root, namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from slurm.testbed.layout import existing
from xtl.errors import UserError
from xtl.launch.slurm.client import CONFIGURATIONS

_FILE = Path(__file__).with_name("packages.yaml")
_COMMANDS = ("slurmctld", "slurmd", "slurmdbd", "sbatch", "munged", "mariadbd", "ip", "nsenter")
_SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def packages() -> list[str]:
    """The names of the Debian packages."""
    return list(yaml.safe_load(_FILE.read_text(encoding="utf-8")))


def missing() -> list[str]:
    """The commands that are not there."""
    return [command for command in _COMMANDS if not shutil.which(command, path=_SEARCH)]


def why_not() -> str | None:
    """Why no testbed can come up here, in one line; None if one can."""
    if os.geteuid() != 0:
        return f"user: found {os.geteuid()}, expected root (and as root, once: make slurm-deps)"
    if absent := missing():
        return f"packages: found no {', '.join(absent)}, expected them: make slurm-deps"
    unshare = ["unshare", "--net", "--uts", "--mount", "--pid", "--ipc", "--fork", "true"]
    if subprocess.run(unshare, capture_output=True).returncode:
        return "namespaces: found that none can be made here, expected a privileged container"
    return None


def configured(
    environment: Mapping[str, str] = os.environ, files: tuple[Path, ...] = CONFIGURATIONS
) -> str | None:
    """What says that this machine has a Slurm already, if anything; a testbed does not count."""
    ours = {str(layout.conf) for layout in existing()}
    named = environment.get("SLURM_CONF")
    if named and named not in ours:
        return f"SLURM_CONF={named}"
    if server := environment.get("SLURM_CONF_SERVER"):
        return f"SLURM_CONF_SERVER={server}"
    return next((str(path) for path in files if path.exists()), None)


def install(progress: Callable[[str], None]) -> None:
    """Install what is missing by apt. UserError where that is not for us to do."""
    if not missing():
        return
    if found := configured():
        progress(f"a Slurm is configured on this machine ({found}): nothing is installed")
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        what = ", ".join(missing())
        raise UserError(
            f"packages: found no {what}, expected them: as root on Debian, "
            f"apt-get install {' '.join(packages())}"
        )
    progress(f"installing {' '.join(packages())}")
    _apt("update")
    _apt("install", "--yes", "--no-install-recommends", *packages())


def _apt(*words: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-qq", *words], env=environment, text=True, capture_output=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"packages: apt-get {words[0]}: {last}")
