"""A sweep that is open: its manifest, folder, lock, plan and scheduler, for any verb."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xtl.errors import UserError
from xtl.files import write_whole
from xtl.launch.local import LocalScheduler
from xtl.launch.observe import Observation, Scheduler, observe
from xtl.launch.profile import Profile, cores, read_profile
from xtl.launch.states import State, states
from xtl.launch.store import Store
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.reading import read_manifest


@dataclass(frozen=True)
class Session:
    """Everything a verb needs. Opening it writes nothing."""

    manifest: Manifest
    manifest_path: Path
    store: Store
    profile: Profile
    cluster: str = "auto"

    @cached_property
    def lock(self) -> Lock | None:
        return self.store.read_lock()

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.manifest, self.lock)

    @cached_property
    def scheduler(self) -> Scheduler:
        engine = self.manifest.engine
        slots = self.profile.slots_for(engine.ranks)
        return LocalScheduler(threads=max(1, cores() // (slots * engine.ranks)))

    @property
    def mirror(self) -> Path:
        return self.profile.mirror_of(self.store.root)

    def forget(self) -> None:
        """The lock has changed: read it, and plan, again."""
        self.__dict__.pop("lock", None)
        self.__dict__.pop("plan", None)

    def look(self) -> tuple[Observation, dict[str, State]]:
        observation = observe(self.store, self.plan, self.scheduler, time.time())
        return observation, states(self.plan, observation.evidence)

    def settle_in(self) -> None:
        """Keep the manifest in the sweep's folder, so that the folder alone tells everything."""
        text = self.manifest_path.read_text(encoding="utf-8")
        if self.manifest_path.resolve() != self.store.manifest_path.resolve():
            write_whole(self.store.manifest_path, text)

    def require_runnable(self) -> None:
        """Before anything is submitted. Raises UserError where this version cannot run jobs."""
        if self.cluster == "slurm":
            raise UserError("--cluster: found slurm, expected local: this version has no Slurm yet")
        if self.cluster == "auto" and shutil.which("sbatch"):
            raise UserError(
                f"{socket.gethostname()} has Slurm, which this version cannot use yet: expected "
                "--cluster local (CLUSTER=local), which runs everything on this machine"
            )


def open_session(manifest: Path, root: Path | None, cluster: str, profile: str | None) -> Session:
    """Raises UserError for anything that does not fit. The folder is `runs/<name>` by default."""
    checked = read_manifest(manifest)
    if cluster not in ("auto", "slurm", "local"):
        raise UserError(f"--cluster: found {cluster!r}, expected auto, slurm or local")
    folder = root or Path("runs") / checked.name
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--root: found {folder}, which is a file, expected a sweep's folder")
    return Session(checked, manifest, Store(folder), read_profile(profile or "local"), cluster)


def commit() -> str:
    """The checkout's commit, `+` where it was changed since; empty outside one or without git."""
    here = Path(__file__).parent
    describe = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--match", ""]
    try:
        found = subprocess.run(describe, cwd=here, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout.strip()
