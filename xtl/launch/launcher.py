"""The launcher: look, decide, submit what is missing, release what is not needed.

Every step starts from the disk, so a launcher can die at any instant and another go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xtl.errors import UserError
from xtl.launch.breaker import pause_for
from xtl.launch.code import Frozen, ensure, foresee
from xtl.launch.drafts import Drafts
from xtl.launch.failures import is_storage
from xtl.launch.lease import Lease
from xtl.launch.nodes import to_exclude, told
from xtl.launch.observe import Observation, settle
from xtl.launch.pauses import has_room
from xtl.launch.reconcile import Decision, decide
from xtl.launch.records import Pause
from xtl.launch.session import Session
from xtl.launch.slurm.errors import SlurmSilentError
from xtl.launch.slurm.scheduler import SlurmScheduler
from xtl.launch.slurm.unattended import Left, is_reconciler, leave_behind
from xtl.launch.slurm.waves import Wave
from xtl.launch.states import Evidence, State

PROBE_EVERY_S = 10.0
"""A full disk is asked no oftener whether there is room: the question itself writes."""


@dataclass(frozen=True)
class Look:
    """What one step saw and did. `over`: nothing runs, and nothing is left to submit."""

    observation: Observation
    states: dict[str, State]
    submitted: int  # shards, by this launcher, so far
    leading: bool  # False: another launcher submits, this one follows
    over: bool
    said: str = ""  # what the scheduler has to say against it
    pause: Pause | None = None  # why nothing is submitted
    held: int = 0  # jobs that wait for the first of their kind
    did: tuple[str, ...] = ()  # a line for each job mended and each node left out


@dataclass
class Launcher:
    """Drives one sweep until it is over. The lease only saves work: claims keep it right.

    `unattended`: nobody follows the sweep, so that a job will have to go on with it.
    """

    session: Session
    submitted: int = 0
    unattended: bool = False

    def __post_init__(self) -> None:
        self.lease = Lease(self.session.store.root)
        self._probe_from = 0.0  # on time.monotonic's clock
        if isinstance(self.session.scheduler, SlurmScheduler):
            self.session.scheduler.unattended = self.unattended

    @cached_property
    def frozen(self) -> Frozen:
        return ensure(self.session.store)

    def decide(self) -> tuple[Observation, dict[str, State], Decision]:
        session, profile = self.session, self.session.profile
        observation, known = session.look()
        decision = decide(
            session.plan,
            known,
            observation.evidence,
            profile.bundling,
            session.scheduler.ahead,
            profile.policy,
            self._pause(known, observation.evidence),
        )
        return observation, known, decision

    def _pause(self, known: Mapping[str, State], evidence: Mapping[str, Evidence]) -> Pause | None:
        """The one that is on, or that what is seen calls for. Writes nothing."""
        pauses, now = self.session.store.pauses, time.time()
        same = self.session.profile.policy.same_failure
        return pauses.current() or pause_for(known, evidence, pauses.lifted(), same, now)

    def step(self) -> Look:
        """One look and what follows from it. Cheap enough for every second. Where nothing can be
        written it waits for room, as the sweep's jobs do."""
        try:
            return self._step()
        except OSError as error:
            if not is_storage(error):
                raise
            observation, known, _ = self.decide()
            full = Pause(cause="storage", line=str(error), since=time.time())
            return Look(observation, known, self.submitted, True, over=False, pause=full)

    def _step(self) -> Look:
        leading = self.lease.hold()
        observation, known, decision = self.decide()
        scheduler = self.session.scheduler
        did: list[str] = []
        if leading:
            settle(self.session.store, observation)
            if observation.returned and isinstance(scheduler, SlurmScheduler):
                scheduler.watch.forget()  # its last word on them is from before they began again
            if observation.ended or observation.returned:
                observation, known, decision = self.decide()
            did = self._guard(observation, known, decision)
            for shard in decision.releases:
                self.session.store.release_artifact(shard)
            if decision.bundles:
                drafts = self._drafts(self.frozen.folder, self.frozen.code.commit)
                sent = scheduler.submit(drafts, decision.bundles, observation)
                self.submitted += sum(len(submission.shards) for submission in sent)
        over = not (observation.alive or decision.bundles or decision.waits)
        return Look(
            observation,
            known,
            self.submitted,
            leading,
            over,
            said=scheduler.said or _stuck(observation),
            pause=decision.pause,
            held=len(decision.held),
            did=tuple(did),
        )

    def _guard(
        self, seen: Observation, known: Mapping[str, State], decision: Decision
    ) -> list[str]:
        """Before anything is submitted: nodes that evidence names are left out, jobs that would
        wait for ever mended, and a pause begun, or ended where there is room again."""
        session, store, now = self.session, self.session.store, time.time()
        hours = session.profile.policy.exclude_hours
        before = store.nodes.all()
        blamed = to_exclude(known, seen.evidence, before, hours, now, self._spare_nodes(known))
        for entry in blamed:
            store.nodes.exclude(entry)
        did = told(blamed, before, hours)
        if isinstance(session.scheduler, SlurmScheduler):
            did += session.scheduler.mend(store, seen)
        if decision.pause:
            store.pauses.begin(decision.pause)
            self._go_on(decision.pause, now)
        return did

    def _spare_nodes(self, known: Mapping[str, State]) -> int | None:
        """Asked where a node may be left out, of Slurm; None: not known."""
        scheduler = self.session.scheduler
        if not isinstance(scheduler, SlurmScheduler):
            return None
        if not any(state.failure and state.failure.cls == "node" for state in known.values()):
            return None
        return scheduler.spare_nodes(self.session.manifest.engine.ranks)

    def _go_on(self, pause: Pause, now: float) -> None:
        """End a pause for want of room, if there is room."""
        store = self.session.store
        rested = pause.cause == "storage" and not store.pauses.rest_s(pause, now)
        if not rested or time.monotonic() < self._probe_from:
            return
        self._probe_from = time.monotonic() + PROBE_EVERY_S
        if has_room(store.root, self.session.checkpoint_bytes):
            store.pauses.lift()

    def scripts(self, decision: Decision, seen: Observation) -> list[str]:
        """The sbatch scripts of what was decided, written nowhere; none where Slurm runs nothing.
        The code's folder is the one that it will be frozen into."""
        scheduler, store = self.session.scheduler, self.session.store
        if not isinstance(scheduler, SlurmScheduler):
            return []
        return scheduler.scripts(self._drafts(foresee(store), ""), decision.bundles, seen)

    def test(self) -> list[tuple[Wave, str]]:
        """For each kind of job, when Slurm would start it. Raises UserError where it cannot say."""
        scheduler, store = self.session.scheduler, self.session.store
        if not isinstance(scheduler, SlurmScheduler):
            raise UserError("--test-only: found no Slurm to ask, expected --cluster slurm")
        try:
            return scheduler.test(self._drafts(foresee(store), ""))
        except SlurmSilentError as error:
            raise UserError(f"Slurm does not answer: {error}") from None

    def leave_behind(self, only_itself: bool = False, soon: bool = False) -> Left:
        """Have the next step taken by a job of its own; `only_itself`: only from such a job;
        `soon`: not when those before it end, but when they have begun."""
        scheduler, session = self.session.scheduler, self.session
        if not isinstance(scheduler, SlurmScheduler):
            return Left(None, "there is no Slurm")
        if only_itself and not is_reconciler(session.store, session.plan):
            return Left(None, "it was asked for by a person")
        folder, look = self.frozen.folder, lambda: session.look()[0]  # with what was just submitted
        return leave_behind(scheduler, session.store, session.plan, folder, look, soon)

    def _drafts(self, code: Path, commit: str) -> Drafts:
        session = self.session
        return Drafts(
            store=session.store,
            plan=session.plan,
            ranks=session.manifest.engine.ranks,
            mirror=session.mirror,
            code=code,
            commit=commit,
            fit=session.fit,
            deterministic=session.manifest.engine.deterministic,
            leads=self.lease.hold,
        )


def _stuck(observation: Observation) -> str:
    """Jobs that will wait for ever unless somebody acts; empty where there are none."""
    alive = (observation.sights[submission.name] for submission in observation.alive)
    stuck = [sight for sight in alive if sight.stuck]
    if not stuck:
        return ""
    jobs = ", ".join(sight.job for sight in stuck[:3]) + (", …" if stuck[3:] else "")
    will = "jobs will not start by themselves" if stuck[1:] else "job will not start by itself"
    return f"{len(stuck)} {will} ({jobs}): {stuck[0].reason}"
