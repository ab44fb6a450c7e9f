"""The profile: what a cluster is. For now, what this machine is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from xtl.errors import UserError
from xtl.sweep.bundles import Bundling
from xtl.sweep.forecast import Rates
from xtl.sweep.reading import explain
from xtl.tasks.settings import Frozen

PROFILES = Path(__file__).parents[2] / "slurm" / "profiles"


class Profile(Frozen):
    """See slurm/profiles/local.yaml, which is documented line by line."""

    cluster: Literal["local"]
    slots: Annotated[int, Field(gt=0)] | Literal["auto"] = "auto"
    bundling: Bundling = "chain"
    mirror: str | None = None
    cache: str | None = None
    device_tflops: Annotated[float, Field(gt=0)] = 0.15
    start_seconds: Annotated[float, Field(ge=0)] = 15.0

    def slots_for(self, ranks: int) -> int:
        """Jobs at once: one rank a core, and at least one job."""
        return max(1, cores() // ranks) if self.slots == "auto" else self.slots

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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


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
