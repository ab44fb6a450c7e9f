"""Slurm as a scheduler: bundles go out as arrays, and jobs are found again by name."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xtl.errors import UserError
from xtl.files import write_whole
from xtl.launch.code import command_for
from xtl.launch.drafts import Drafts
from xtl.launch.observe import Observation
from xtl.launch.profile import SlurmProfile
from xtl.launch.profile_parts import Reconcile
from xtl.launch.reconcile import Bundle
from xtl.launch.records import Job, Submission
from xtl.launch.sight import Sight
from xtl.launch.slurm.arrays import (
    Array,
    may_go,
    prefix,
    reconciler,
    rewrite,
    withdraw,
    write_array,
)
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.fits import nodes_to_spare
from xtl.launch.slurm.limits import (
    Limits,
    is_full,
    largest_array,
    longest,
    most_memory,
    room,
)
from xtl.launch.slurm.mending import mend
from xtl.launch.slurm.script import Script, render
from xtl.launch.slurm.watch import Watch
from xtl.launch.slurm.waves import Room, Wave, kinds, send_in_waves
from xtl.launch.store import Store


class SlurmScheduler:
    """Jobs on a cluster; `limits` are the cluster's own, asked for when the first is submitted."""

    ahead = True

    def __init__(self, profile: SlurmProfile, watch: Watch, limits: Callable[[], Limits]) -> None:
        self.profile, self.watch, self._limits = profile, watch, limits
        self.unattended = False  # a place in the queue is left for the job that goes on
        self._refused = ""
        self._rest_until = 0.0  # on time.monotonic's clock
        self._full = False  # sbatch has just said so
        self._mend_from = 0.0  # on time.monotonic's clock

    @property
    def said(self) -> str:
        return self.watch.said or self._refused

    def look(self, store: Store, submissions: Sequence[Submission]) -> dict[str, Sight]:
        return self.watch.look(store, submissions)

    def submit(
        self, drafts: Drafts, bundles: Sequence[Bundle], seen: Observation
    ) -> list[Submission]:
        """Arrays of alike bundles, as far as the limits allow, not more often than Slurm is asked.

        Raises UserError where Slurm refuses one for another reason than that the queue is full.
        """
        sent: list[Submission] = []
        if time.monotonic() < self._rest_until:
            return sent
        self._rest_until = time.monotonic() + self.profile.poll_seconds

        def send(wave: Wave) -> dict[str, str] | None:
            if self._full or not drafts.leads():
                return None
            array = write_array(drafts, wave, self.profile.signal_seconds)
            if not array.members:  # another launcher took them all
                return {}
            job = self._sbatch(drafts, wave, array)
            if job is None and self._full and wave.bundles[1:]:  # a part of it may find room
                self._full = False
                part = send(replace(wave, bundles=wave.bundles[: len(wave.bundles) // 2]))
                self._full = True
                return part
            if job is None:
                return None
            sent.extend(array.members)
            return array.tasks(job)

        self._send(drafts, bundles, seen, send)
        if sent:
            self.watch.forget()
        return sent

    def mend(self, store: Store, seen: Observation) -> list[str]:
        """Jobs that would wait for ever, by a fresh word on them; what was done, a line each. At
        most once a poll, whether Slurm heard it or not."""
        held = [entry for entry in seen.alive if seen.sights[entry.name].remedy]
        if not held or time.monotonic() < self._mend_from:
            return []
        self._mend_from = time.monotonic() + self.profile.poll_seconds
        self.watch.forget()
        done = mend(self.watch.client, store, held, self.watch.look(store, held))
        self.watch.forget()
        return done

    def spare_nodes(self, ranks: int) -> int | None:
        """How many nodes may be left out and a job of so many ranks still start; None: not told."""
        try:
            return nodes_to_spare(self.profile, self._limits(), ranks)
        except (SlurmSilentError, SlurmRefusedError):
            return None

    def scripts(self, drafts: Drafts, bundles: Sequence[Bundle], seen: Observation) -> list[str]:
        """What `submit` would give to sbatch if every call succeeded; writes nothing."""
        texts: list[str] = []
        number, mark = drafts.store.batches.count(), drafts.store.batches.mark()
        known = f"{prefix(drafts.store, drafts.plan)}-{mark or 'xxxx'}"

        def show(wave: Wave) -> dict[str, str]:
            name = f"{known}-{number + len(texts) + 1:04}"
            texts.append(render(self._script(drafts, wave, name, len(wave.bundles)), self.profile))
            return {
                shard: f"<id of {name}>_{index}"
                for index, bundle in enumerate(wave.bundles)
                for shard in bundle.members
            }

        self._send(drafts, bundles, seen, show)
        return texts

    def test(self, drafts: Drafts) -> list[tuple[Wave, str]]:
        """For each kind of job of the whole plan, when Slurm would start it, or why not.

        Raises SlurmSilentError.
        """
        limits, profile, plan = self._limits(), self.profile, drafts.plan
        return [
            (wave, self._test(drafts, wave))
            for wave in kinds(plan, profile.bundling, profile.time, longest(limits, profile))
        ]

    def _test(self, drafts: Drafts, wave: Wave) -> str:
        script = self._script(drafts, wave, prefix(drafts.store, drafts.plan), 1)
        try:
            return self.watch.client.test_only(render(script, self.profile))
        except SlurmRefusedError as error:
            return f"refused: {error}"

    def _send(
        self,
        drafts: Drafts,
        bundles: Sequence[Bundle],
        seen: Observation,
        send: Callable[[Wave], Mapping[str, str] | None],
    ) -> None:
        if not bundles:
            return
        self._refused, self._full = "", False
        profile = self.profile
        if not self.unattended:
            profile = profile.model_copy(update={"reconcile": Reconcile(enabled=False)})
        try:
            limits = self._limits()
            inside = int(os.environ.get("SLURM_JOB_NAME") == reconciler(drafts.store, drafts.plan))
            there = self.watch.client.my_jobs()
        except (SlurmSilentError, SlurmRefusedError) as error:
            self._refused = str(error)
            return
        jobs = room(limits, profile, there, inside)
        if not jobs:
            self._refused = f"you have as many jobs in the queue as there may be ({there})"
        most = Room(
            largest_array(limits, profile),
            jobs,
            longest(limits, profile),
            most_memory(limits, profile),
        )
        send_in_waves(drafts.plan, bundles, alive_jobs(seen), self.profile.time, most, send)

    def _sbatch(self, drafts: Drafts, wave: Wave, array: Array) -> str | None:
        """The array's id; None where the queue is full, or others have taken it over, or Slurm said
        nothing: then it may have heard all the same, and the name will tell."""
        store, script = drafts.store, self._script(drafts, wave, array.name, len(array.members))
        path = store.batches.folder(array.name) / "script.sh"
        write_whole(path, render(script, self.profile), mode=self.profile.secret_mode)
        script.logs.mkdir(exist_ok=True)
        if not may_go(drafts, array):
            withdraw(store, array)
            return None
        try:
            job = self.watch.client.submit(path)
        except SlurmSilentError as error:
            self._refused = str(error)
            rewrite(store, array)
            return None
        except SlurmRefusedError as error:
            self._refused = str(error)
            withdraw(store, array)
            if not is_full(error):
                raise UserError(f"{error}: {_where(self.profile, script)}") from None
            self._full = True
            return None
        store.batches.write_job(array.name, Job(id=job, host=socket.gethostname()))
        return job

    def _script(self, drafts: Drafts, wave: Wave, name: str, tasks: int) -> Script:
        root = drafts.store.root.absolute()
        task = ("xtl.launch.task", str(root), "batch", name)
        return Script(
            name=name,
            tasks=tasks,
            ranks=drafts.ranks,
            minutes=wave.minutes,
            command=command_for(drafts.code.absolute(), *task),
            root=root,
            logs=root / "batches" / name / "logs",
            after=wave.after,
            memory=wave.memory,
            exclude=tuple(entry.node for entry in drafts.store.nodes.excluded(time.time())),
        )


def _where(profile: SlurmProfile, script: Script) -> str:
    """What a refusal may be about."""
    left_out = ", ".join(script.exclude)
    without = f" without {left_out} (`xtl nodes --readmit`)" if left_out else ""
    return f"partition {profile.partition}{without}"


def alive_jobs(seen: Observation) -> dict[str, str]:
    """Shard → the id of the job that brings it, of jobs just seen alive: dependencies on ids that
    Slurm has forgotten count as satisfied."""
    return {
        shard: seen.sights[submission.name].job
        for submission in seen.alive
        for shard, _ in submission.shards
        if seen.sights[submission.name].liveness == "alive" and seen.sights[submission.name].job
    }
