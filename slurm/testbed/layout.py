"""What a testbed is called and made of, and where its files lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from xtl.errors import UserError

DEFAULT = "testbed"
# Short, because the path of a job's socket may have 107 bytes and the name is in it three times.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")
_TEMPORARY = Path("/tmp")
_PREFIX = "xtl-testbed"


class Settings(BaseModel):
    """What a cluster has. The nodes' CPUs, memory and GPUs are pretended, so more than there are.

    `max_submitted` limits the jobs that a user may have in the queue; it needs accounting.
    `cgroups`: None uses them where they can be used. `down_after_s`: how long a node may be silent
    before it counts as down (seen within about three times that). `grace_s`: what `low` gives to a
    preempted job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = Field(default=4, ge=1, le=32)
    cpus: int = Field(default=8, ge=1, le=256)
    memory_mb: int = Field(default=6000, ge=100)
    gpus: int = Field(default=2, ge=0, le=16)
    accounting: bool = True
    max_array_size: int = Field(default=1001, ge=2)
    max_submitted: int | None = Field(default=None, ge=1)
    cgroups: bool | None = None
    down_after_s: int = Field(default=5, ge=2)
    grace_s: int = Field(default=10, ge=1)


@dataclass(frozen=True)
class Layout:
    """A testbed's name, and the paths that follow from it. All that it writes is below `folder`."""

    name: str = DEFAULT

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"--name: found {self.name!r}, expected at most 16 of a-z, 0-9 and -, a letter "
                "first and no - at the end"
            )

    @property
    def folder(self) -> Path:
        return _TEMPORARY / (_PREFIX if self.name == DEFAULT else f"{_PREFIX}-{self.name}")

    @property
    def conf(self) -> Path:
        """What SLURM_CONF names."""
        return self.folder / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.folder / "run" / "munge.sock"

    @property
    def database_socket(self) -> Path:
        return self.folder / "run" / "mariadb.sock"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    def log(self, process: str) -> Path:
        return self.folder / "log" / f"{process}.log"

    def spool(self, node: str) -> Path:
        """A node's own disk."""
        return self.folder / "spool" / node

    def nodes(self, settings: Settings) -> list[str]:
        return [f"{self.name}-{number}" for number in range(1, settings.nodes + 1)]

    def make(self) -> None:
        """The folders; what a node's job may have to enter is open to all."""
        self.folder.mkdir(mode=0o755)
        for name in ("etc", "run", "log", "state", "spool", "dev", "database", "processes"):
            (self.folder / name).mkdir(mode=0o755)
        (self.folder / "munge").mkdir(mode=0o700)


def existing() -> list[Layout]:
    """The testbeds whose folders are on this machine, up or not."""
    names = [path.name.removeprefix(_PREFIX) for path in _TEMPORARY.glob(f"{_PREFIX}*")]
    inner = [name.removeprefix("-") or DEFAULT for name in names]
    return [Layout(name) for name in sorted(inner) if _NAME.fullmatch(name)]
