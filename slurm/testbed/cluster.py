"""The testbed as a whole: up, down, and what can be done to it in between."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slurm.testbed import cgroups, config, network, packages
from slurm.testbed.daemons import Daemons
from slurm.testbed.layout import DEFAULT, Layout, Settings
from slurm.testbed.network import Network
from slurm.testbed.nodes import Node
from slurm.testbed.processes import Processes, TestbedError
from slurm.testbed.waiting import until
from xtl.errors import UserError
from xtl.files import read_json, write_whole

_BUILDER = "up"  # the record of the process that brings it up, as long as it does
_IDLE_S = 30.0
_PATIENCE_S = 10.0
_SLURM_VARIABLES = ("SLURM", "SBATCH", "SALLOC", "SRUN", "SQUEUE", "SACCT", "SINFO", "SCANCEL")

Progress = Callable[[str], None]


def _silent(line: str) -> None:
    """Progress that nobody asked for."""


class Testbed:
    """A Slurm cluster below one folder; one that another process brought up serves as well.

    UserError where the machine or what was asked for will not do; TestbedError, with the end of a
    log, where a daemon fails.
    """

    __test__ = False  # no test class, whatever its name begins with

    def __init__(self, name: str = DEFAULT) -> None:
        self.layout = Layout(name)
        self.processes = Processes(self.layout)
        self._daemons = Daemons(self.layout, self.processes)

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def folder(self) -> Path:
        return self.layout.folder

    @property
    def conf(self) -> Path:
        return self.layout.conf

    @property
    def settings(self) -> Settings:
        """What the testbed that is up was asked for; `cgroups` says whether it uses them."""
        return Settings.model_validate(read_json(self.layout.settings) or {})

    @property
    def network(self) -> Network:
        self.expect_up()
        found = network.find(self.name)
        if not found:
            raise UserError(f"{self.name}: found its network gone, expected it: down, then up")
        return found

    @property
    def nodes(self) -> list[Node]:
        net, switch = self.network, self._daemons.switch
        return [
            Node(name, index, net.address(index), switch, self.layout, self.processes)
            for index, name in enumerate(self.layout.nodes(self.settings))
        ]

    def node(self, name: str) -> Node:
        self.expect_up()
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(self.layout.nodes(self.settings))
        raise UserError(f"node: found {name!r}, expected one of {names}")

    def expect_up(self) -> None:
        if not self.folder.exists():
            raise UserError(f"{self.name}: found no {self.folder}, expected a testbed that is up")

    # ---- commands -----------------------------------------------------------------------------
    def environment(self) -> dict[str, str]:
        """The caller's, such that Slurm's commands speak with this cluster alone."""
        own = os.environ
        kept = {key: own[key] for key in own if not key.startswith(_SLURM_VARIABLES)}
        return {**kept, "SLURM_CONF": str(self.conf)}

    def run(self, *command: str, limit_s: float = 60.0) -> str:
        """What a command says on this cluster; TestbedError, with its complaint, where it fails."""
        done = subprocess.run(
            command, env=self.environment(), text=True, capture_output=True, timeout=limit_s
        )
        if done.returncode:
            said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
            raise TestbedError(f"{' '.join(command)}: {said}")
        return done.stdout

    def answers(self, *command: str) -> bool:
        with suppress(TestbedError):
            self.run(*command)
            return True
        return False

    def states(self) -> dict[str, str]:
        """The state of each node, as sinfo has it: idle, mixed, alloc, down*, drain …"""
        lines = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %t").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def lame(self) -> list[str]:
        """The nodes that are not idle, as long as the controller can be asked."""
        return [name for name, state in self.states().items() if state != "idle"]

    # ---- up and down --------------------------------------------------------------------------
    @property
    def is_up(self) -> bool:
        """Whether it is up, or being brought up."""
        done = self._ready.exists() and self.processes.alive()
        return bool(done or self.processes.find(_BUILDER))

    def up(self, settings: Settings | None = None, progress: Progress = _silent) -> None:
        """Bring it up, over the remains of one that was killed; take it down if that fails."""
        if reason := packages.why_not():
            raise UserError(reason)
        if self.is_up:
            raise UserError(f"{self.name}: found it up, expected it down")
        if self.folder.exists():
            progress(f"cleaning what is left of an earlier one in {self.folder}")
        resolved = _resolved(settings or Settings(), progress)
        self.down()
        self.layout.make()
        try:
            self.processes.record(_BUILDER, os.getpid())
            self._bring_up(resolved)
            self._ready.touch()
            self.processes.forget(_BUILDER)
        finally:
            if not self._ready.exists():
                self.down()

    def down(self) -> None:
        """End and remove all of it, whatever state it is in; nothing where there is none."""
        self.processes.kill_all()
        network.release(self.name)
        cgroups.remove(cgroups.of_testbed(self.name))
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _bring_up(self, settings: Settings) -> None:
        write_whole(self.layout.settings, settings.model_dump_json())
        self._daemons.start_switch()
        claimed = network.claim(self.name, self._daemons.switch)
        config.write(self.layout, settings, claimed)
        if settings.accounting:
            self._daemons.start_database()
        self._daemons.start_munge()
        for node in self.nodes:  # while the database is made
            node.power_on()
        if settings.accounting:
            self._daemons.start_accounting(claimed)
        self._daemons.start_controller(claimed)
        for node in self.nodes:
            node.start_slurmd()
        self._wait_for_nodes()
        if settings.accounting:
            self._daemons.wait("slurmdbd", lambda: self.answers("sacct", "-n", "-X"))
        if settings.max_submitted:
            limit = f"MaxSubmitJobs={settings.max_submitted}"
            self.run("sacctmgr", "-i", "modify", "user", "root", "set", limit)

    def _wait_for_nodes(self) -> None:
        try:
            until(lambda: not self.lame(), _IDLE_S)
        except TimeoutError:
            name = self.lame()[0]
            line = f"{name} was not idle within {_IDLE_S:g} s"
            raise self.processes.failure(name, line) from None

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    # ---- in between ---------------------------------------------------------------------------
    @property
    def controlled(self) -> bool:
        """Whether its slurmctld runs."""
        return self._daemons.controlled

    def start_controller(self) -> None:
        """Start slurmctld, with the state that it had; it answers when this returns."""
        self.expect_up()
        if self.controlled:
            raise UserError(f"{self.name}: found its controller running, expected it stopped")
        self._daemons.start_controller(self.network)

    def stop_controller(self) -> None:
        """Stop slurmctld, which keeps its state; jobs that run go on."""
        self.expect_up()
        if not self.controlled:
            raise UserError(f"{self.name}: found its controller stopped, expected it running")
        self._daemons.stop_controller()

    @property
    def accounted(self) -> bool:
        """Whether its slurmdbd runs."""
        return self._daemons.accounted

    def start_accounting(self) -> None:
        """Start slurmdbd; slurmctld tells it what it has missed."""
        self._expect_accounting()
        if self.accounted:
            raise UserError(f"{self.name}: found its slurmdbd running, expected it stopped")
        self._daemons.start_accounting(self.network)
        self._daemons.wait("slurmdbd", lambda: self.answers("sacct", "-n", "-X"))

    def stop_accounting(self) -> None:
        """Stop slurmdbd: sacct fails, and jobs run and start as before."""
        self._expect_accounting()
        if not self.accounted:
            raise UserError(f"{self.name}: found its slurmdbd stopped, expected it running")
        self._daemons.stop_accounting()

    def _expect_accounting(self) -> None:
        self.expect_up()
        if not self.settings.accounting:
            raise UserError(f"{self.name}: found a testbed without accounting, expected one with")

    def restore(self) -> None:
        """Mend whatever was broken: no jobs, every node idle, the daemons running."""
        if self.settings.accounting and not self.accounted:
            self.start_accounting()
        if not self.controlled:
            self.start_controller()
        for node in self.nodes:
            node.boot()
            node.plug()
        with suppress(TimeoutError):
            until(self._whole, _PATIENCE_S)
            return
        for name in self.lame():
            self.node(name).power_off()
            self.node(name).boot()
        until(self._whole, _IDLE_S + 3 * self.settings.down_after_s, f"{self.name} whole again")

    def _whole(self) -> bool:
        """Whether it is; a step towards it if not."""
        jobs = self.run("squeue", "-h", "-a")
        if jobs:
            self.run("scancel", "--user=root")
        states = self.states()
        for name in (name for name, state in states.items() if state.startswith(("dr", "down"))):
            self.answers("scontrol", "update", f"nodename={name}", "state=resume")
        return not jobs and set(states.values()) == {"idle"}


def _resolved(wanted: Settings, progress: Progress) -> Settings:
    """With cgroups or without."""
    if wanted.max_submitted and not wanted.accounting:
        raise UserError("max_submitted: found it without accounting, expected accounting")
    reason = cgroups.why_not() if wanted.cgroups is not False else "as asked"
    if reason and wanted.cgroups:
        raise UserError(f"cgroups: {reason}, expected version 1, writable")
    if reason:
        progress(f"no cgroups ({reason}): Slurm itself looks after processes and memory")
    return wanted.model_copy(update={"cgroups": reason is None})
