"""A node: a host of its own, with its own name, network, processes, /dev/shm, and a slurmd."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from ipaddress import IPv4Interface

import psutil

from slurm.testbed import network
from slurm.testbed.layout import Layout
from slurm.testbed.processes import Processes, TestbedError, run, wait_for_end
from xtl.errors import UserError

_NAMESPACES = ("--net", "--uts", "--mount", "--pid", "--ipc")


@dataclass(frozen=True)
class Node:
    """The node that is counted `index`, from 0. `switch` is the pid of the network's switch."""

    name: str
    index: int
    address: IPv4Interface
    switch: int
    layout: Layout
    processes: Processes

    @property
    def powered(self) -> bool:
        return self._first() is not None

    @property
    def slurmd(self) -> psutil.Process | None:
        """The node's slurmd, without those of its steps."""
        first = self._first()
        daemons = [child for child in _children(first) if _name(child) == "slurmd"]
        return daemons[0] if daemons else None

    def power_on(self) -> None:
        """Make the host and its network, with an empty disk and no slurmd."""
        shutil.rmtree(self.layout.spool(self.name), ignore_errors=True)
        self.layout.spool(self.name).mkdir()
        script = str(self.layout.folder / "etc" / "node.sh")
        unshare = ["unshare", *_NAMESPACES, "--fork", "--mount-proc", "--kill-child=KILL"]
        command = [*unshare, "bash", script, self.name]
        self.processes.start_ready(self.name, *command)
        network.connect(self.index, self._on().pid, self.address, self.switch)

    def start_slurmd(self) -> None:
        """Start slurmd on a host that is on; it answers a moment later."""
        conf = str(self.layout.conf)
        enter = ["nsenter", "--target", str(self._on().pid), *_NAMESPACES]
        environment = [f"{key}={value}" for key, value in self.processes.environment().items()]
        try:
            run([*enter, "env", "-i", *environment, "slurmd", "-N", self.name, "-f", conf])
        except TestbedError:
            line = f"slurmd did not start on {self.name}"
            raise self.processes.failure(self.name, line) from None

    def boot(self) -> None:
        """Whatever was done to it: a host that is on, with a slurmd."""
        if not self.powered:
            self.processes.kill(self.name)
            self.power_on()
        if not self.slurmd:
            self.start_slurmd()

    def power_off(self) -> None:
        """End everything on it at once, as a power cut does."""
        self.processes.kill(self.name)

    def kill_slurmd(self) -> None:
        """End its slurmd alone: jobs go on."""
        daemon = self.slurmd
        if not daemon:
            raise UserError(f"{self.name}: found no slurmd, expected one: boot {self.name}")
        daemon.kill()
        wait_for_end([daemon])

    def plug(self, plugged: bool = True) -> None:
        """Plug its network cable in, or pull it."""
        self._on()
        network.plug(self.index, self.switch, plugged=plugged)

    def _first(self) -> psutil.Process | None:
        """The process with id 1 inside of the node."""
        children = _children(self.processes.find(self.name))
        return children[0] if children else None

    def _on(self) -> psutil.Process:
        if first := self._first():
            return first
        raise UserError(f"{self.name}: found it powered off, expected it on: boot {self.name}")


def _children(process: psutil.Process | None) -> list[psutil.Process]:
    try:
        return process.children() if process else []
    except psutil.NoSuchProcess:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""
