"""Drafts: what a job is to run goes to disk before the job exists."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xtl.launch.reconcile import Bundle
from xtl.launch.records import Submission
from xtl.launch.store import Store
from xtl.sweep.fit import Fit
from xtl.sweep.plan import Plan


@dataclass(frozen=True)
class Drafts:
    """Writes the submissions of one sweep. `code` is the folder of the frozen code that its jobs
    run, `fit` the ZeRO stage and micro-batch of its trainings, `deterministic` whether GPUs must
    give the same bits each time; `leads` renews the launcher's lease and says whether it still has
    it."""

    store: Store
    plan: Plan
    ranks: int
    mirror: Path
    code: Path
    commit: str
    fit: Fit
    deterministic: bool
    leads: Callable[[], bool]

    def write(
        self,
        bundle: Bundle,
        cluster: Literal["local", "slurm"],
        *,
        slot: int = 0,
        batch: str = "",
        minutes: int = 0,
        signal_seconds: int = 0,
    ) -> Submission | None:
        """The shards and their submission, on disk. None if another launcher took its name."""
        for shard in bundle.members:
            self.store.write_shard(self.plan.shards[shard])
        zero_stage, micro_batch = self._engine(bundle)
        fitting = max(1, micro_batch >> bundle.halvings)
        submission = Submission(
            name=self._free_name(bundle),
            sweep=self.plan.sweep,
            cluster=cluster,
            shards=bundle.shards,
            slot=slot,
            batch=batch,
            ranks=self.ranks,
            zero_stage=zero_stage,
            micro_batch=fitting,
            halvings=bundle.halvings,
            deterministic=self.deterministic,
            minutes=minutes,
            signal_seconds=signal_seconds,
            mirror=self.store.relative(self.mirror),
            code=self.store.relative(self.code),
            commit=self.commit,
            created=time.time(),
        )
        return submission if self.store.submissions.write(submission) else None

    def _engine(self, bundle: Bundle) -> tuple[int, int]:
        """ZeRO stage, and micro-batch before it is halved: what a shard's checkpoint was made with,
        where there is one, as to go on from it, bit for bit, takes the same."""
        for shard in bundle.members:
            for attempt in self.store.attempts(shard)[::-1]:
                if attempt.end and attempt.end.status == "done":
                    break  # those before it left no checkpoint
                earlier = self.store.submissions.find(attempt.claim.submission)
                if attempt.saved and earlier:
                    return earlier.zero_stage, earlier.micro_batch << earlier.halvings
        return self.fit.zero_stage, self.fit.micro_batch

    def _free_name(self, bundle: Bundle) -> str:
        """The first shard and its attempt, and a count of the jobs that were to run these."""
        shard, attempt = bundle.shards[0]
        count = 1
        while self.store.submissions.folder(f"{shard}-{attempt}-{count}").exists():
            count += 1
        return f"{shard}-{attempt}-{count}"
