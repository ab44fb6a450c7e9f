"""What a profile is made of: its mappings."""

from __future__ import annotations

from xtl.launch.profile_fields import Gib, MailType, Minutes, Word
from xtl.sweep.fields import Keys, Positive


class Times(Keys):
    """A job's time limit by the stage of its shards, in minutes."""

    intermediate: Minutes
    target: Minutes
    evaluate: Minutes


class Mail(Keys):
    """Whom Slurm writes to, and when."""

    user: Word
    type: MailType = "FAIL"


class Limits(Keys):
    """What one sweep may take; null: what the cluster allows."""

    at_once: Positive | None = None  # tasks of each array that run at once
    submitted: Positive | None = None  # of all the user's jobs in the queue


class Reconcile(Keys):
    """The one-CPU job that goes on with a sweep whose launcher is gone."""

    enabled: bool = True
    time: Minutes = 30
    partition: Word | None = None  # null: the profile's
    account: Word | None = None  # null: the profile's
    qos: Word | None = None  # null: the profile's, or the default in a partition of its own
    memory_gib: Gib = 2.0
