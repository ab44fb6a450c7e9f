"""Ranks in the foreground: those of one submission on a terminal, here or in an allocation."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from xtl.launch.controller import RankController
from xtl.launch.local import controlled, variables
from xtl.launch.machine import cores
from xtl.launch.profile import LocalProfile, SlurmProfile
from xtl.launch.records import Submission
from xtl.launch.store import Store

NAME = "replay"
"""Of the one submission in the folder of a replay; its attempt is the first."""


@dataclass(frozen=True)
class Replay:
    """A shard of the sweep in `kept`, to be run in `own` as `submission` says."""

    kept: Store
    own: Store
    shard: str
    submission: Submission
    profile: LocalProfile | SlurmProfile


def _environment(replay: Replay) -> dict[str, str]:
    """The sweep's own: as many threads, the profile's variables; W&B's files stay in the folder."""
    profile, ranks = replay.profile, replay.submission.ranks
    own = {"WANDB_MODE": "offline", "PYTHONDONTWRITEBYTECODE": "1"}
    if isinstance(profile, SlurmProfile):
        own = profile.environment | own
        threads = profile.cpus_per_rank
    else:
        threads = max(1, cores() // (profile.slots_for(ranks) * ranks))
    return variables(replay.own.root, replay.submission, threads) | own


def _command(replay: Replay) -> list[str]:
    task = ["xtl.launch.task", str(replay.own.root.resolve()), "submission", NAME]
    return [sys.executable, "-u", "-P", "-m", *task]


def run_here(replay: Replay) -> int:
    """Ranks as child processes."""
    command = shlex.join(_command(replay))
    os.environ.update(_environment(replay))
    os.environ.update(controlled(command, replay.submission.ranks, minutes=0))
    return Ranks(replay.own.root).run_all()


class Ranks(RankController):
    """Ranks on a terminal: the first has it, the lines of others say whose they are."""

    codes: Sequence[int | None] = ()

    def run_all(self) -> int:
        """The first bad exit status, or 0."""
        self.run(max_retry=1)
        return next((code for code in self.codes if code), 0)

    def start_tasks(self) -> None:
        self.tasks = [self._start(rank) for rank in range(self.ntasks)]
        for rank, task in enumerate(self.tasks[1:], start=1):
            threading.Thread(target=_relay, args=(task.stdout, rank), daemon=True).start()

    def _start(self, rank: int) -> subprocess.Popen[str]:
        own = {
            "SUBMITIT_LOCAL_LOCALID": str(rank),
            "SUBMITIT_LOCAL_GLOBALID": str(rank),
            "SUBMITIT_LOCAL_JOB_ID": self.pid,
        }
        first = rank == 0
        return subprocess.Popen(
            self.command,
            env=os.environ | own,
            text=True,
            stdin=None if first else subprocess.DEVNULL,
            stdout=None if first else subprocess.PIPE,
            stderr=None if first else subprocess.STDOUT,
        )

    def _say(self, rank: int, line: str) -> None:
        sys.stderr.write(f"{line}\n")

    def wait(self, freq: int = 24) -> Sequence[int | None]:
        self.codes = super().wait(freq)
        return self.codes


def _relay(lines: IO[str], rank: int) -> None:
    for line in lines:
        sys.stderr.write(f"rank {rank}: {line}")


def run_in_allocation(replay: Replay) -> int:
    """Ranks by srun, on the nodes that salloc got. One rank alone has the terminal."""
    profile, ranks = replay.profile, replay.submission.ranks
    if not isinstance(profile, SlurmProfile):
        return run_here(replay)
    nodes, per_node = profile.nodes_for(ranks)
    terminal = "--pty" if ranks == 1 and sys.stdin.isatty() else "--label"
    words = [
        *("srun", f"--nodes={nodes}", f"--ntasks={ranks}", f"--ntasks-per-node={per_node}"),
        *(f"--cpus-per-task={profile.cpus_per_rank}", "--kill-on-bad-exit=1", terminal),
    ]
    devices = ("CUDA_VISIBLE_DEVICES", "DS_ACCELERATOR")  # Slurm gives them to its tasks
    own = {name: value for name, value in _environment(replay).items() if name not in devices}
    own |= {"SUBMITIT_EXECUTOR": "slurm"}
    if profile.local:
        shell = 'mkdir -p "$TMPDIR" && exec "$@"'
        words += ["sh", "-c", f'export TMPDIR="{profile.local}"; {shell}', "sh"]
    return subprocess.run([*words, *_command(replay)], env=os.environ | own, check=False).returncode
