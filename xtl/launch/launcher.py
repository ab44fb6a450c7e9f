"""The launcher: look, decide, submit what is missing into free slots, release what is not needed.

Every step starts from the disk, so a launcher can die at any instant and another go on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from xtl.launch.lease import Lease
from xtl.launch.observe import Observation, settle
from xtl.launch.reconcile import Bundle, Decision, decide
from xtl.launch.records import Submission
from xtl.launch.session import Session, commit
from xtl.launch.states import State


@dataclass(frozen=True)
class Look:
    """What one step saw and did. `over`: nothing runs, and nothing is left to submit."""

    observation: Observation
    states: dict[str, State]
    submitted: int  # shards, by this launcher, so far
    leading: bool  # False: another launcher submits, this one follows
    over: bool


@dataclass
class Launcher:
    """Drives one sweep until it is over. The lease only saves work: claims keep it right."""

    session: Session
    submitted: int = 0
    _commit: str = field(default_factory=commit)

    def __post_init__(self) -> None:
        self.lease = Lease(self.session.store.root)

    def decide(self) -> tuple[Observation, dict[str, State], Decision]:
        observation, known = self.session.look()
        plan, bundling = self.session.plan, self.session.profile.bundling
        return observation, known, decide(plan, known, observation.evidence, bundling)

    def step(self) -> Look:
        """One look and what follows from it. Cheap enough for every second."""
        leading = self.lease.hold()
        observation, known, decision = self.decide()
        if leading and observation.ended:
            settle(self.session.store, observation.ended)
            observation, known, decision = self.decide()
        if leading:
            self._release(decision)
            for slot, bundle in zip(self._free_slots(observation), decision.bundles, strict=False):
                self._submit(bundle, slot)
        over = not observation.alive and not decision.bundles
        return Look(observation, known, self.submitted, leading, over)

    def _free_slots(self, observation: Observation) -> list[int]:
        slots = self.session.profile.slots_for(self.session.manifest.engine.ranks)
        taken = {submission.slot for submission in observation.alive}
        return [slot for slot in range(slots) if slot not in taken]

    def _submit(self, bundle: Bundle, slot: int) -> None:
        """What the job runs is on disk before the job exists."""
        store, engine = self.session.store, self.session.manifest.engine
        for shard, _ in bundle:
            store.write_shard(self.session.plan.shards[shard])
        submission = Submission(
            name=self._free_name(bundle),
            sweep=self.session.manifest.name,
            cluster="local",
            shards=bundle,
            slot=slot,
            ranks=engine.ranks,
            zero_stage=engine.zero_stage,
            micro_batch=engine.micro_batch,
            mirror=store.relative(self.session.mirror),
            commit=self._commit,
            created=time.time(),
        )
        if store.submissions.write(submission):
            job = self.session.scheduler.submit(store, submission)
            store.submissions.write_job(submission.name, job)
            self.submitted += len(bundle)

    def _free_name(self, bundle: Bundle) -> str:
        """The first shard and its attempt, and a count of the jobs that were to run these."""
        shard, attempt = bundle[0]
        count = 1
        while self.session.store.submissions.find(f"{shard}-{attempt}-{count}"):
            count += 1
        return f"{shard}-{attempt}-{count}"

    def _release(self, decision: Decision) -> None:
        for shard in decision.releases:
            self.session.store.release_artifact(shard)
