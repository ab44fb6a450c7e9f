"""The profile: what a cluster is, or this machine. docs/profiles.md says what each key means."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from xtl.errors import UserError
from xtl.launch.machine import cores, gpus
from xtl.launch.policy import Policy
from xtl.launch.profile_fields import Environment, Gib, Line, Word
from xtl.launch.profile_parts import Limits, Mail, Reconcile, Times
from xtl.sweep.bundles import Bundling, Layout
from xtl.sweep.fields import Keys, Positive
from xtl.sweep.forecast import Rates
from xtl.sweep.reading import explain

PROFILES = Path(__file__).parents[2] / "slurm" / "profiles"
UNTHROTTLED = 64  # jobs at once, where a profile sets no limit: for the forecast


Access = Literal["user", "group"]
UMASKS: dict[Access, int] = {"user": 0o077, "group": 0o007}


class Profile(Keys):
    """What every profile has."""

    cluster: Literal["local", "slurm"]
    bundling: Bundling = "chain"
    root: str | None = None
    mirror: str | None = None
    cache: str | None = None
    device_tflops: Annotated[float, Field(gt=0)]
    start_seconds: Annotated[float, Field(ge=0)]
    policy: Policy = Policy()
    access: Access | None = None

    @abstractmethod
    def slots_for(self, ranks: int) -> int:
        """Jobs of so many ranks at once."""

    @property
    def umask(self) -> int | None:
        """What nobody else may do with a sweep's files; None: as the user's own umask says."""
        return UMASKS[self.access] if self.access else None

    @property
    def secret_mode(self) -> int:
        """Of files that may hold secrets: those of `environment`."""
        return 0o640 if self.access == "group" else 0o600

    def folder_for(self, sweep: str) -> Path:
        """Where a sweep of that name lives unless `--root` says otherwise."""
        return _folder("root", self.root or "runs") / sweep

    def mirror_of(self, root: Path) -> Path:
        """XTL_MIRROR, the profile's, or a folder of the sweep."""
        chosen = os.environ.get("XTL_MIRROR") or self.mirror
        return _folder("mirror", chosen) if chosen else root / "mirror"

    def cache_folder(self) -> Path:
        """XTL_CACHE, the profile's, or the user's cache: downloads that any sweep may use."""
        chosen = os.environ.get("XTL_CACHE") or self.cache
        base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        return _folder("cache", chosen or f"{base}/xtl")

    def settled(self, base: Path) -> Self:
        """The same wherever it is read: folders are absolute, from `base` (absolute) where they
        were relative, with what XTL_MIRROR and XTL_CACHE say. What names a variable that is not set
        stays as it is: where it is used, it is said to be missing."""
        chosen = {
            "root": self.root,
            "mirror": os.environ.get("XTL_MIRROR") or self.mirror,
            "cache": os.environ.get("XTL_CACHE") or self.cache,
        }
        places = {key: _absolute(base, text) for key, text in chosen.items() if text}
        return self.model_copy(update=places)

    @property
    def rates(self) -> Rates:
        return Rates(self.device_tflops * 1e12, self.start_seconds)

    def layout(self, ranks: int) -> Layout:
        return Layout(ranks, self.slots_for(ranks), self.bundling)


class LocalProfile(Profile):
    """This machine, without a scheduler. See slurm/profiles/local.yaml."""

    cluster: Literal["local"]
    slots: Positive | Literal["auto"] = "auto"

    def slots_for(self, ranks: int) -> int:
        """Jobs at once: one rank a core, or a GPU where there are any, and at least one job."""
        if self.slots != "auto":
            return self.slots
        devices = min(cores(), gpus() or cores())
        return max(1, devices // ranks)


class SlurmProfile(Profile):
    """A Slurm cluster, or one partition of it. See slurm/profiles/gpu-node.yaml."""

    cluster: Literal["slurm"]
    slurm_conf: str | None = None  # of a cluster other than the machine's own
    partition: Word
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    reservation: Word | None = None
    exclude: Word | None = None
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    gpu_type: Word | None = None
    gpu_memory_gib: Gib | None = None
    ranks_per_node: Positive | None = None  # null: one a GPU
    cpus_per_rank: Positive
    memory_per_rank_gib: Gib
    time: Times
    signal_seconds: Positive = 120
    setup: tuple[Line, ...] = ()
    environment: Environment = Field(default_factory=dict)
    mail: Mail | None = None
    limits: Limits = Limits()
    accounting: Literal["auto", True, False] = "auto"
    poll_seconds: Annotated[float, Field(gt=0)] = 30.0
    reconcile: Reconcile = Reconcile()
    local: str | None = None

    @model_validator(mode="after")
    def _agree(self) -> SlurmProfile:
        if not self.ranks_per_node and not self.gpus_per_node:
            raise ValueError("ranks_per_node: found nothing, expected it where gpus_per_node is 0")
        if self.gpus_per_node and self.ranks > self.gpus_per_node:
            raise ValueError(
                f"ranks_per_node: found {self.ranks}, "
                f"expected at most gpus_per_node ({self.gpus_per_node}): a rank has a GPU"
            )
        least = 60 * min(self.time.intermediate, self.time.target, self.time.evaluate)
        if self.signal_seconds >= least:
            raise ValueError(
                f"signal_seconds: found {self.signal_seconds}, "
                f"expected less than the shortest time ({least} s)"
            )
        return self

    @property
    def ranks(self) -> int:
        """Ranks that a node has room for."""
        return self.ranks_per_node or self.gpus_per_node

    def nodes_for(self, ranks: int) -> tuple[int, int]:
        """(nodes, ranks a node) of a job: as few nodes as hold its ranks in equal shares."""
        shares = (count for count in range(1, ranks + 1) if ranks % count == 0)
        nodes = next(count for count in shares if ranks <= count * self.ranks)
        return nodes, ranks // nodes

    @property
    def reconciling(self) -> SlurmProfile:
        """Where the job that reconciles runs, and whom it is charged to. What chooses nodes of one
        partition is not meant for those of another; features are not meant for one CPU at all."""
        own = self.reconcile
        place = {"constraint": None, "account": own.account or self.account}
        if own.partition:
            away = {"qos": own.qos, "reservation": None, "exclude": None}
            place |= {"partition": own.partition, **away}
        elif own.qos:
            place["qos"] = own.qos
        return self.model_copy(update=place)

    def settled(self, base: Path) -> Self:
        found = super().settled(base)
        conf = str(base / self.slurm_conf) if self.slurm_conf else None
        return found.model_copy(update={"slurm_conf": conf})

    def slots_for(self, ranks: int) -> int:
        """Jobs at once, of any size: the profile's limits, as far as it has any."""
        return self.limits.at_once or self.limits.submitted or UNTHROTTLED


def read_profile(name: str) -> LocalProfile | SlurmProfile:
    """A profile by name (slurm/profiles/NAME.yaml) or by path. Raises UserError, one line."""
    path = PROFILES / f"{name}.yaml" if "/" not in name and "." not in name else Path(name)
    try:
        return parse_profile(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        known = ", ".join(sorted(entry.stem for entry in PROFILES.glob("*.yaml")))
        raise UserError(f"{path}: found no such file, expected a profile ({known})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None


def parse_profile(text: str, source: str) -> LocalProfile | SlurmProfile:
    """The profile in `text`; `source` names it in errors. Raises UserError, one line."""
    try:
        data = yaml.load(text, _ClockLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{source}: found {type(data).__name__}, expected a mapping of keys")
    kinds: dict[Any, type[LocalProfile] | type[SlurmProfile]]
    kinds = {"local": LocalProfile, "slurm": SlurmProfile}
    kind = kinds.get(str(data.get("cluster")))
    if kind is None:
        found = repr(data["cluster"]) if "cluster" in data else "nothing"
        raise UserError(f"{source}: cluster: found {found}, expected local or slurm")
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        line = explain(error).replace("docs/manifest.md", "docs/profiles.md")
        raise UserError(f"{source}: {line}") from None


class _ClockLoader(yaml.SafeLoader):
    """YAML 1.1 takes 12:00:00 for a number to the base of 60; here it stays a text."""


_ClockLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in entries if tag != "tag:yaml.org,2002:int"]
    for letter, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_ClockLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789")
)


def _folder(key: str, text: str) -> Path:
    """A folder in which `~` and variables of the environment may stand."""
    found = os.path.expandvars(text)
    if "$" in found:
        raise UserError(f"profile: {key}: found {text}, expected variables that are set here")
    return Path(found).expanduser()


def _absolute(base: Path, text: str) -> str:
    found = os.path.expandvars(text)
    return text if "$" in found else str(base / Path(found).expanduser())
