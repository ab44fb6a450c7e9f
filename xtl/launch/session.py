"""A sweep that is open: its manifest, folder, lock, plan, profile and scheduler, for any verb."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import yaml

from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.files import write_whole
from xtl.launch.local import LocalScheduler
from xtl.launch.machine import cores, gpus
from xtl.launch.observe import Observation, observe
from xtl.launch.profile import LocalProfile, SlurmProfile, parse_profile, read_profile
from xtl.launch.records import Submission
from xtl.launch.scheduler import Scheduler
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client, configured
from xtl.launch.slurm.errors import SlurmSilentError
from xtl.launch.slurm.fits import require_computes, require_fits
from xtl.launch.slurm.limits import Limits, keep_limits, read_limits
from xtl.launch.slurm.scheduler import SlurmScheduler
from xtl.launch.slurm.unattended import find_reconciler
from xtl.launch.slurm.watch import Watch
from xtl.launch.states import State, states
from xtl.launch.store import Store
from xtl.launch.tokens import Tokens
from xtl.sweep.disk import checkpoint_bytes
from xtl.sweep.fit import Fit, fit
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.provisional import provisional_lock
from xtl.sweep.reading import read_manifest

Cluster = Literal["local", "slurm"]

_ELSE = "expected a cluster that does, or --cluster local (CLUSTER=local)"


@dataclass(frozen=True)
class Session:
    """Everything a verb needs. Opening it writes nothing."""

    manifest: Manifest
    manifest_path: Path
    store: Store
    profile: LocalProfile | SlurmProfile
    derived: bool = False  # the profile was made from what Slurm says of itself

    @cached_property
    def lock(self) -> Lock | None:
        return self.store.read_lock()

    @cached_property
    def plan(self) -> Plan:
        return make_plan(self.manifest, self.lock, str(self.manifest_path))

    @cached_property
    def scheduler(self) -> Scheduler:
        """The one that jobs are submitted to."""
        profile, ranks = self.profile, self.manifest.engine.ranks
        if isinstance(profile, SlurmProfile):
            return SlurmScheduler(profile, self._watch, lambda: self._limits)
        slots = profile.slots_for(ranks)
        return LocalScheduler(slots, threads=max(1, cores() // (slots * ranks)))

    @cached_property
    def _watch(self) -> Watch:
        profile = self.profile
        if not isinstance(profile, SlurmProfile):
            return Watch(Client())
        return Watch(Client(profile.slurm_conf), profile.poll_seconds, profile.accounting)

    @property
    def mirror(self) -> Path:
        return self.profile.mirror_of(self.store.root)

    @property
    def tokens(self) -> Tokens:
        """The token cache for the locked model's tokenizer. UserError without a lock."""
        if self.lock is None:
            raise UserError("lock.json: found none, expected one: run `xtl prepare`")
        mirror, model = Mirror(self.mirror), self.lock.model
        return Tokens(mirror, mirror.find(model.repo, model.revision))

    def forget(self) -> None:
        """The lock has changed: read it, and plan, again."""
        self.__dict__.pop("lock", None)
        self.__dict__.pop("plan", None)
        self.__dict__.pop("fit", None)

    def look(self) -> tuple[Observation, dict[str, State]]:
        observation = observe(self.store, self.plan, self._ask, time.time())
        return observation, states(self.plan, observation.evidence, self.profile.policy)

    @property
    def said(self) -> str:
        """What Slurm had to say against the last look; empty: nothing."""
        return self._watch.said

    def _ask(self, submissions: Sequence[Submission]) -> dict[str, Sight]:
        """Each submission's own scheduler: one folder may have jobs of two."""
        look = {"local": LocalScheduler(0, 1).look, "slurm": self._watch.look}
        look[self.profile.cluster] = self.scheduler.look  # which reaps its own processes
        groups = defaultdict(list)
        for submission in submissions:
            groups[submission.cluster].append(submission)
        found: dict[str, Sight] = {}
        for cluster, group in groups.items():
            found |= look[cluster](self.store, group)
        return found

    @cached_property
    def fit(self) -> Fit:
        """The ZeRO stage and micro-batch of all trainings. UserError where nothing fits."""
        profile, memory = self.profile, None
        on_gpus = gpus() >= self.manifest.engine.ranks  # fewer are left alone: see `local`
        if isinstance(profile, SlurmProfile):
            on_gpus, memory = profile.gpus_per_node > 0, profile.gpu_memory_gib
        model = (self.lock or provisional_lock(self.manifest)).model
        shards = self.plan.shards.values()
        return fit(model, self.manifest.engine, shards, memory, "gpu" if on_gpus else "cpu")

    @property
    def checkpoint_bytes(self) -> int:
        """Of one checkpoint of a training: what must be free before a paused sweep goes on."""
        return checkpoint_bytes(self.plan, (self.lock or provisional_lock(self.manifest)).model)

    def require_runnable(self) -> None:
        """Before anything is submitted. Raises UserError where this cannot run, here or at all."""
        if isinstance(self.profile, SlurmProfile):
            try:
                require_fits(self.profile, self._limits)
                require_computes(self.profile, self._limits, self.manifest.engine.precision)
            except SlurmSilentError as error:
                raise UserError(f"Slurm does not answer: {error}: {_ELSE}") from None
        _ = self.fit

    @cached_property
    def _limits(self) -> Limits:
        """The cluster's, which the sweep's folder keeps for an hour. Raises SlurmSilentError."""
        assert isinstance(self.profile, SlurmProfile)
        return read_limits(self._watch.client, self.profile.partition, self.store.cluster_path)

    def reconciler(self) -> Sight | None:
        """The job that goes on with a detached sweep; None where there is none. Not
        `asked` where Slurm is silent."""
        if not isinstance(self.scheduler, SlurmScheduler):
            return None
        return find_reconciler(self.scheduler, self.store, self.plan)

    def settle_in(self) -> None:
        """Keep manifest and profile in the sweep's folder, which then tells everything alone."""
        text = self.manifest_path.read_text(encoding="utf-8")
        self._close_to_others()
        if self.manifest_path.resolve() != self.store.manifest_path.resolve():
            write_whole(self.store.manifest_path, text)
        settled = self.profile.settled(Path.cwd()).model_dump(mode="json")
        text = yaml.safe_dump(settled, sort_keys=False)
        write_whole(self.store.profile_path, text, mode=self.profile.secret_mode)
        if "_limits" in self.__dict__:  # the cluster was asked
            keep_limits(self._limits, self.store.cluster_path)

    def _close_to_others(self) -> None:
        """The folder gets the rights that the profile says; of a group, what is made in it is that
        group's. Of somebody else's folder they are left alone."""
        root, umask = self.store.root, self.profile.umask
        root.mkdir(parents=True, exist_ok=True)
        if umask is not None and root.stat().st_uid == os.geteuid():
            root.chmod(0o777 & ~umask | (0o2000 if self.profile.access == "group" else 0))


def open_session(manifest: Path, root: Path | None, cluster: str, profile: str | None) -> Session:
    """Raises UserError for anything that does not fit.

    The profile is the one that is named, or the one that the sweep's folder keeps, or made from
    what the cluster says of itself. `auto` is that profile's cluster; without one it is Slurm where
    there is one, and else this machine.
    """
    checked = read_manifest(manifest)
    if cluster not in ("auto", "slurm", "local"):
        raise UserError(f"--cluster: found {cluster!r}, expected auto, slurm or local")
    named = read_profile(profile) if profile else None
    if named and cluster not in ("auto", named.cluster):
        raise UserError(
            f"--profile: found {profile}, which is for {named.cluster}, expected one for {cluster}"
        )
    folder = root or (named.folder_for(checked.name) if named else Path("runs") / checked.name)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--root: found {folder}, which is a file, expected a sweep's folder")
    store = Store(folder)
    found = named or _kept(store, cluster)
    if found:
        return Session(checked, manifest, store, found)
    kind: Cluster = (
        "slurm" if cluster == "slurm" or (cluster == "auto" and configured()) else "local"
    )
    return Session(checked, manifest, store, _default(kind), derived=kind == "slurm")


def _kept(store: Store, cluster: str) -> LocalProfile | SlurmProfile | None:
    """What the sweep has been run with, unless another cluster is asked for."""
    path = store.profile_path
    if not path.exists():
        return None
    found = parse_profile(path.read_text(encoding="utf-8"), str(path))
    return found if cluster in ("auto", found.cluster) else None


def _default(cluster: Cluster) -> LocalProfile | SlurmProfile:
    if cluster == "local":
        return read_profile("local")
    from xtl.launch.slurm.discover import derive

    try:
        return derive(Client())
    except SlurmSilentError as error:
        raise UserError(f"Slurm does not answer: {error}: {_ELSE}") from None
