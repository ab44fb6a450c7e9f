"""Jobs that would wait for ever, mended: let go where Slurm holds them, cancelled where what they
depend on will never be."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from xtl.launch.records import Submission
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.store import Store

log = logging.getLogger(__name__)

MOST_RELEASES = 5
"""A job that is held again after so many is cancelled, and its shards are submitted anew."""


def mend(
    client: Client, store: Store, held: Sequence[Submission], sights: Mapping[str, Sight]
) -> list[str]:
    """What was done, a line a job. What Slurm refuses, or does not hear, is tried again later.

    `sights` are fresh: one that runs by now would be cancelled by an older word.
    """
    known = [(entry, sights[entry.name]) for entry in held]
    tries = (_mend(client, store, entry, sight) for entry, sight in known if sight.remedy)
    return [line for line in tries if line]


def _mend(client: Client, store: Store, entry: Submission, sight: Sight) -> str:
    held = sight.remedy == "release"
    try:
        if held and store.submissions.releases(entry.name) < MOST_RELEASES:
            client.release(sight.job)
            store.submissions.note_release(entry.name)
            return f"job {sight.job} was held by Slurm ({sight.reason}): let go"
        store.submissions.give_up(entry.name)  # before it: who looks in between must know
        client.cancel([sight.job])
    except (SlurmSilentError, SlurmRefusedError) as error:
        log.warning("%s: %s", sight.job, error)
        return ""
    return f"job {sight.job} could never start ({sight.reason}): cancelled, to be submitted anew"
