"""The daemons of a testbed: started in sessions of their own, found again by any later process.

Each has a record (its id and when it began) below the testbed's folder. The environment of each
names the folder too, so that one that was started and not yet recorded can be found as well.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import psutil

from slurm.testbed.layout import Layout
from slurm.testbed.waiting import until
from xtl.files import names_in, read_json, write_whole

MARK = "XTL_TESTBED"
_SAME_START_S = 2.0  # a process's start is known to a tick, and a clock may be set meanwhile
_TAIL = 25
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class TestbedError(RuntimeError):
    """A part of the testbed that did not do what it should; the end of its log is below."""

    __test__ = False  # no test class, whatever its name begins with


class Processes:
    """The processes of one testbed, by name."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._children: dict[str, subprocess.Popen[str]] = {}  # kept so that ended ones are reaped

    def start(self, name: str, *command: str) -> None:
        """Start a daemon, its output to its log."""
        self._start(name, command, None)

    def start_ready(self, name: str, *command: str) -> None:
        """Start one that says `ready`, and wait until it has."""
        child = self._start(name, command, subprocess.PIPE)
        with cast(IO[str], child.stdout) as output:
            if output.readline() != "ready\n":
                raise self.failure(name, f"{name} did not start")

    def _start(
        self, name: str, command: Sequence[str], stdout: int | None
    ) -> subprocess.Popen[str]:
        with self._layout.log(name).open("a", encoding="utf-8") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                text=True,
                cwd=self._folder,
                env=self.environment(),
                start_new_session=True,
            )
        self._children[name] = child
        self.record(name, child.pid)
        return child

    def environment(self) -> dict[str, str]:
        """A daemon's, which is nobody's own: nothing of the caller's reaches a job by it."""
        return {
            "PATH": _PATH,
            "LANG": "C.UTF-8",
            "SLURM_CONF": str(self._layout.conf),
            "MYSQL_UNIX_PORT": str(self._layout.database_socket),  # slurmdbd has no key for it
            MARK: str(self._folder),
        }

    def record(self, name: str, pid: int) -> None:
        began = psutil.Process(pid).create_time()
        write_whole(self._record(name), json.dumps({"pid": pid, "began": began}))

    def forget(self, name: str) -> None:
        self._record(name).unlink(missing_ok=True)

    def find(self, name: str) -> psutil.Process | None:
        """The live process of that name."""
        if name in self._children:
            self._children[name].poll()
        record = read_json(self._record(name))
        if not record:
            return None
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["began"]) < _SAME_START_S
            return process if same and _runs(process) else None
        return None

    def names(self) -> list[str]:
        """What was started and not stopped since, dead or alive."""
        names = names_in(self._folder / "processes")
        return sorted(name for name in names if not name.startswith("."))

    def alive(self) -> list[str]:
        return [name for name in self.names() if self.find(name)]

    def stop(self, name: str, limit_s: float = 10.0) -> None:
        """Ask a daemon to end, and make it after `limit_s` seconds."""
        if process := self.find(name):
            family = [process, *_below(process)]
            process.terminate()
            with suppress(TimeoutError):
                wait_for_end(family, limit_s)
        self.kill(name)

    def kill(self, *names: str) -> None:
        """End daemons at once, with all below them."""
        found = [process for name in names if (process := self.find(name))]
        _kill([one for process in found for one in (process, *_below(process))])
        for name in names:
            self.forget(name)
            if child := self._children.pop(name, None):
                child.wait()

    def kill_all(self) -> None:
        """End all, also those without a record; never the caller."""
        self.kill(*(name for name in self.names() if self.find(name) != psutil.Process()))
        _kill(list(self._strays()))

    def tail(self, name: str) -> str:
        """The end of a log."""
        with suppress(FileNotFoundError):
            lines = self._layout.log(name).read_text(encoding="utf-8", errors="replace")
            return "\n".join(lines.splitlines()[-_TAIL:])
        return ""

    def failure(self, name: str, line: str) -> TestbedError:
        return TestbedError(f"{line}\n{self._layout.log(name)}:\n{self.tail(name)}")

    def _strays(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == str(self._folder):
                    yield process

    @property
    def _folder(self) -> Path:
        return self._layout.folder

    def _record(self, name: str) -> Path:
        return self._folder / "processes" / name


def wait_for_end(processes: Iterable[psutil.Process], limit_s: float = 10.0) -> None:
    """Until none of them runs. One that is dead and not reaped does not: who reaps may be slow."""
    left = list(processes)
    until(lambda: not any(map(_runs, left)), limit_s, f"the end of {left}", every_s=0.01)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(processes)


def run(command: Iterable[str], given: str | None = None) -> str:
    """A command's output; TestbedError with what it said where it fails."""
    words = list(command)
    path = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_PATH}"}
    done = subprocess.run(words, input=given, text=True, capture_output=True, env=path)
    if done.returncode:
        raise TestbedError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
