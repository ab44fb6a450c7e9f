"""submitit's local executor, with a session for each job: Ctrl-C on the launcher must not reach the
shards. A module of its own, since submitit is slow to import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from submitit.local.local import LocalExecutor, LocalJob

from xtl.launch.local import controlled


class OwnSessionExecutor(LocalExecutor):
    """A LocalExecutor whose controller leads a session of its own and gets extra variables."""

    variables: Mapping[str, str] = {}

    def start(self, command: str) -> LocalJob[Any]:
        """Run `command` on every rank."""
        tasks, minutes = self.parameters["tasks_per_node"], self.parameters["timeout_min"]
        environment = {**os.environ, **self.variables, **controlled(command, tasks, minutes)}
        process = subprocess.Popen(
            [sys.executable, "-m", "xtl.launch.controller", str(self.folder)],
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return LocalJob(
            folder=self.folder, job_id=str(process.pid), process=process, tasks=list(range(tasks))
        )
