"""The profile: what a cluster is. For now, what this machine is."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from xtl.errors import UserError
from xtl.sweep.bundles import Bundling
from xtl.sweep.forecast import Layout, Rates
from xtl.sweep.reading import explain
from xtl.tasks.settings import Frozen

PROFILES = Path(__file__).parents[2] / "slurm" / "profiles"
GPU_FOLDER = Path("/proc/driver/nvidia/gpus")


class Profile(Frozen):
    """See slurm/profiles/local.yaml, which is documented line by line."""

    cluster: Literal["local"]
    slots: Annotated[int, Field(gt=0)] | Literal["auto"] = "auto"
    bundling: Bundling = "chain"
    mirror: str | None = None
    cache: str | None = None
    device_tflops: Annotated[float, Field(gt=0)]
    start_seconds: Annotated[float, Field(ge=0)]

    def slots_for(self, ranks: int) -> int:
        """Jobs at once: one rank a core, or a GPU where there are any, and at least one job."""
        if self.slots != "auto":
            return self.slots
        devices = min(cores(), gpus() or cores())
        return max(1, devices // ranks)

    def mirror_of(self, root: Path) -> Path:
        """XTL_MIRROR, the profile's, or a folder of the sweep."""
        chosen = os.environ.get("XTL_MIRROR") or self.mirror
        return Path(chosen).expanduser() if chosen else root / "mirror"

    def cache_folder(self) -> Path:
        """XTL_CACHE, the profile's, or the user's cache: downloads that any sweep may use."""
        chosen = os.environ.get("XTL_CACHE") or self.cache
        base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        return Path(chosen or f"{base}/xtl").expanduser()

    @property
    def rates(self) -> Rates:
        return Rates(self.device_tflops * 1e12, self.start_seconds)

    def layout(self, ranks: int) -> Layout:
        return Layout(ranks, self.slots_for(ranks), self.bundling)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> int:
    """NVIDIA GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, or all there are.

    As CUDA reads that variable, what follows an entry that names no GPU (such as -1) is ignored.
    """
    there, chosen = _gpus_there(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not there:
        return there
    visible = 0
    for entry in chosen.split(","):
        name = entry.strip()
        if not (name.isdigit() and int(name) < there) and not name.startswith(("GPU-", "MIG-")):
            break
        visible += 1
    return visible


@cache
def _gpus_there() -> int:
    """As the driver lists them; where its folder is hidden, as in some containers, nvidia-smi."""
    if GPU_FOLDER.is_dir():
        return sum(1 for _ in GPU_FOLDER.iterdir())
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    try:
        said = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines())


def read_profile(name: str) -> Profile:
    """A profile by name (slurm/profiles/NAME.yaml) or by path."""
    path = PROFILES / f"{name}.yaml" if "/" not in name and "." not in name else Path(name)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(entry.stem for entry in PROFILES.glob("*.yaml")))
        raise UserError(f"{path}: found no such file, expected a profile ({known})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error)}") from None
