"""The daemons that are on no node: the network's switch, munge, the accounting, the controller."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import closing

from slurm.testbed.layout import Layout
from slurm.testbed.network import Network
from slurm.testbed.processes import Processes
from slurm.testbed.waiting import until
from xtl.errors import UserError

_SWITCH = "switch"
_CONTROLLER = "slurmctld"
_ACCOUNTING = "slurmdbd"
_LIMIT_S = 30.0


class Daemons:
    """Starts and stops them; each answers when its method returns, but where that says otherwise.

    TestbedError, with the end of its log, where one ends or does not answer.
    """

    def __init__(self, layout: Layout, processes: Processes) -> None:
        self._layout = layout
        self._processes = processes

    @property
    def switch(self) -> int:
        """The process whose network namespace is the switch."""
        switch = self._processes.find(_SWITCH)
        if not switch:
            name = self._layout.name
            raise UserError(f"{name}: found its switch dead, expected it alive: down, then up")
        return switch.pid

    @property
    def controlled(self) -> bool:
        """Whether slurmctld runs."""
        return self._processes.find(_CONTROLLER) is not None

    def start_switch(self) -> None:
        self._processes.start_ready(_SWITCH, *_inside("--net", "echo ready; exec sleep infinity"))

    def start_munge(self) -> None:
        own, listening = self._layout.folder / "munge", str(self._layout.munge_socket)
        (own / "key").touch(mode=0o400)
        (own / "key").write_bytes(secrets.token_bytes(128))
        files = [f"--key-file={own}/key", f"--seed-file={own}/seed", f"--log-file={own}/log"]
        sockets = [f"--socket={listening}", f"--pid-file={own}/pid"]
        self._processes.start("munged", "munged", "--foreground", "--force", *files, *sockets)
        self.wait("munged", lambda: _listens(listening))

    def start_database(self) -> None:
        """Start to make it, and then serve it: see `start_accounting`."""
        script = self._layout.folder / "etc" / "database.sh"
        self._processes.start("mariadbd", *_inside("--mount", f". {script}"))

    @property
    def accounted(self) -> bool:
        """Whether slurmdbd runs."""
        return self._processes.find(_ACCOUNTING) is not None

    def start_accounting(self, network: Network) -> None:
        """Once the database answers."""
        self.wait("mariadbd", lambda: _listens(str(self._layout.database_socket)))
        self._processes.start(_ACCOUNTING, "slurmdbd", "-D")
        self.wait(_ACCOUNTING, lambda: _listens(("127.0.0.1", network.database_port)))

    def stop_accounting(self) -> None:
        self._processes.stop(_ACCOUNTING)

    def start_controller(self, network: Network) -> None:
        """Start slurmctld, with the state that it had."""
        rename = f"hostname {self._layout.name}-controller"
        script = f"{rename}; exec slurmctld -D -f {self._layout.conf}"
        self._processes.start(_CONTROLLER, *_inside("--uts", script))
        address = (str(network.controller.ip), network.controller_port)
        self.wait(_CONTROLLER, lambda: _listens(address))

    def stop_controller(self) -> None:
        self._processes.stop(_CONTROLLER)

    def wait(self, process: str, condition: Callable[[], bool]) -> None:
        """Until a process does what it should."""

        def done() -> bool:
            if not self._processes.find(process):
                raise self._processes.failure(process, f"{process} ended")
            return condition()

        try:
            until(done, _LIMIT_S, every_s=0.02)
        except TimeoutError:
            line = f"{process} was not ready within {_LIMIT_S:g} s"
            raise self._processes.failure(process, line) from None


def _inside(kind: str, script: str) -> list[str]:
    """A command that runs a script in a namespace of its own."""
    return ["unshare", kind, "bash", "-euc", script]


def _listens(address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        return probe.connect_ex(address) == 0
