"""This machine as a scheduler: submitit's local executor, behind slots of our own.

What submitit's LocalExecutor lacks for us: a queue, a limit of more than two minutes, a port for
each job.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from xtl.launch.code import environment_for
from xtl.launch.drafts import Drafts
from xtl.launch.machine import gpus
from xtl.launch.observe import Observation
from xtl.launch.reconcile import Bundle
from xtl.launch.records import Job, Submission
from xtl.launch.sight import Sight
from xtl.launch.store import Store

if TYPE_CHECKING:
    import submitit

_WEEK_MIN = 7 * 24 * 60
_SUBMITTING_S = 20.0  # from a submission's file to its process, far below this
SUBMISSION_VARIABLE = "XTL_SUBMISSION"


class LocalScheduler:
    """Jobs on this machine, `slots` at once. `threads` is for each rank."""

    ahead = False
    said = ""

    def __init__(self, slots: int, threads: int) -> None:
        self.slots, self.threads = slots, threads
        self._children: list[submitit.Job[Any]] = []  # kept so that ended ones are reaped

    def submit(
        self, drafts: Drafts, bundles: Sequence[Bundle], seen: Observation
    ) -> list[Submission]:
        taken = {submission.slot for submission in seen.alive}
        free = [slot for slot in range(self.slots) if slot not in taken]
        ready = [bundle for bundle in bundles if not bundle.after]
        written = [
            drafts.write(bundle, "local", slot=slot)
            for slot, bundle in zip(free, ready, strict=False)
        ]
        submitted = [submission for submission in written if submission]
        for submission in submitted:
            self._start(drafts.store, submission)
        return submitted

    def _start(self, store: Store, submission: Submission) -> None:
        from xtl.launch.own_session import OwnSessionExecutor  # submitit is slow to import

        executor = OwnSessionExecutor(store.submissions.folder(submission.name) / "submitit")
        executor.folder.mkdir(parents=True, exist_ok=True)
        executor.variables = variables(store.root, submission, self.threads)
        executor.update_parameters(tasks_per_node=submission.ranks, timeout_min=_WEEK_MIN)
        task = ["xtl.launch.task", str(store.root.resolve()), "submission", submission.name]
        job = executor.start(shlex.join([sys.executable, "-u", "-m", *task]))
        self._children.append(job)
        store.submissions.write_job(submission.name, Job(id=job.job_id, host=socket.gethostname()))

    def look(self, store: Store, submissions: Sequence[Submission]) -> dict[str, Sight]:
        """By the mark that every process of a job carries, controller or rank. A job whose launcher
        died before it could write the job's id is found as any other."""
        self._children = [job for job in self._children if not job.done()]  # reaps
        marks = {_mark_of(process) for process in psutil.process_iter()}
        return {
            submission.name: Sight(liveness="alive", state="RUNNING", node=socket.gethostname())
            if _mark(store.root, submission.name) in marks
            else _unseen(submission, store.submissions.job(submission.name))
            for submission in submissions
        }


def controlled(command: str, tasks: int, minutes: int) -> dict[str, str]:
    """What submitit's controller reads, and the ranks that it starts with `command`."""
    return {
        "SUBMITIT_LOCAL_NTASKS": str(tasks),
        "SUBMITIT_LOCAL_COMMAND": command,
        "SUBMITIT_LOCAL_TIMEOUT_S": str(60 * minutes),
        "SUBMITIT_LOCAL_SIGNAL_DELAY_S": "60",
        "SUBMITIT_LOCAL_NODEID": "0",
        "SUBMITIT_LOCAL_JOB_NUM_NODES": "1",
        "SUBMITIT_STDERR_TO_STDOUT": "",
        "SUBMITIT_LOCAL_WITH_SHELL": "",
        "SUBMITIT_EXECUTOR": "local",
    }


def variables(root: Path, submission: Submission, threads: int) -> dict[str, str]:
    """What a job on this machine is given: its GPUs and code, where its ranks meet, and `threads`
    of each; nothing is fetched."""
    return {
        **_devices(submission),
        **environment_for((root / submission.code).resolve(), os.environ.get("PYTHONPATH", "")),
        SUBMISSION_VARIABLE: _mark(root, submission.name),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }


def _devices(submission: Submission) -> dict[str, str]:
    """The slot's GPUs; none, so that it runs on the CPU, where there are fewer than its ranks."""
    visible = _visible_gpus()
    mine = visible[submission.slot * submission.ranks :][: submission.ranks]
    if not visible:
        return {}
    if len(mine) < submission.ranks:
        return {"CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
    return {"CUDA_VISIBLE_DEVICES": ",".join(mine)}


def _visible_gpus() -> list[str]:
    """As CUDA names those that this process may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(index) for index in range(gpus())] if chosen is None else chosen.split(",")
    return names[: gpus()]


def _unseen(submission: Submission, job: Job | None) -> Sight:
    """No process here has its mark: it ended, or is of another host, or is just being started."""
    if job is None:
        starting = time.time() - submission.created < _SUBMITTING_S
        return Sight(liveness="unknown" if starting else "gone")
    return Sight(liveness="gone" if job.host == socket.gethostname() else "unknown")


def processes_of(root: Path, names: Collection[str]) -> dict[str, list[psutil.Process]]:
    """What runs here of these submissions: controllers, and where one is dead, its ranks."""
    marks = {_mark(root, name): name for name in names}
    found: dict[str, list[psutil.Process]] = {name: [] for name in names}
    for process in psutil.process_iter():
        if name := marks.get(_mark_of(process) or ""):
            found[name].append(process)
    return {
        name: [entry for entry in entries if _runs(entry, "xtl.launch.controller")]
        or [entry for entry in entries if _runs(entry, "xtl.launch.task")]
        for name, entries in found.items()
    }


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except (psutil.Error, OSError):
        return False


def _mark(root: Path, name: str) -> str:
    return f"{root.resolve()}/{name}"


def _mark_of(process: psutil.Process) -> str | None:
    try:
        found = process.environ().get(SUBMISSION_VARIABLE)
        return str(found) if found else None
    except (psutil.Error, OSError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
