"""What a job asks of its own Slurm: where its ranks meet, and to go back into the queue."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Sequence

from xtl.launch.records import Submission
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.stopping import StopFlag

log = logging.getLogger(__name__)

# Below the ports that Linux gives to outgoing connections; jobs on one node have ids of their own.
_FIRST_PORT, _PORTS = 20_000, 12_000


def rendezvous(hosts: Sequence[str]) -> dict[str, str]:
    """MASTER_ADDR and MASTER_PORT of this job, the same on all of its nodes."""
    port = _FIRST_PORT + int(os.environ["SLURM_JOB_ID"]) % _PORTS
    return {"MASTER_ADDR": hosts[0], "MASTER_PORT": str(port)}


def go_back(submission: Submission, stop: StopFlag) -> None:
    """Requeue this job, which has saved what it did, where nobody else will.

    Before its time limit, and where it is being preempted: Slurm requeues a preempted job only if
    it is still there when its grace is over. Never where a person has cancelled it.
    """
    if submission.cluster != "slurm" or not stop.requested:
        return
    job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if stop.signal == signal.SIGUSR2 or _preempted(job):
        try:
            Client().requeue(job)
        except (SlurmSilentError, SlurmRefusedError) as error:
            log.warning("%s: %s", job, error)
        else:
            log.info("%s: back into the queue", job)


def _preempted(job: str) -> bool:
    show = ["scontrol", "show", "job", "--oneliner", job]
    said = subprocess.run(show, capture_output=True, text=True, check=False, timeout=60)
    fields = said.stdout.split()
    times = [field.partition("=")[2] for field in fields if field.startswith("PreemptTime=")]
    return bool(times) and times[0] not in ("", "None", "Unknown")
