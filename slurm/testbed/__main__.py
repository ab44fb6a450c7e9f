"""The testbed's commands: `python -m slurm.testbed --help`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from slurm.testbed import packages
from slurm.testbed.cluster import Testbed
from slurm.testbed.layout import DEFAULT, Settings
from slurm.testbed.nodes import Node
from slurm.testbed.processes import TestbedError
from xtl.errors import UserError

app = typer.Typer(
    name="testbed",
    help="A real Slurm cluster on this machine, to be thrown away. Needs root.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Option("--name", help="Which one: several can be up side by side.")]
Names = Annotated[list[str], typer.Argument(metavar="NODE...", help="Nodes, as sinfo lists them.")]


@app.command()
def up(
    name: Name = DEFAULT,
    nodes: Annotated[int, typer.Option(min=1, max=32, help="Nodes.")] = 4,
    cpus: Annotated[int, typer.Option(min=1, max=256, help="CPUs a node, pretended.")] = 8,
    memory: Annotated[int, typer.Option(min=100, help="MB a node, pretended.")] = 6000,
    gpus: Annotated[int, typer.Option(min=0, max=16, help="GPUs a node, pretended.")] = 2,
    accounting: Annotated[bool, typer.Option(help="slurmdbd, and so sacct.")] = True,
    max_array_size: Annotated[int, typer.Option(min=2, help="Slurm's MaxArraySize.")] = 1001,
    max_submitted: Annotated[
        int | None, typer.Option(min=1, help="Jobs that a user may have in the queue.")
    ] = None,
    cgroups: Annotated[
        bool | None, typer.Option(help="Whether jobs are held in cgroups. Default: if they can be.")
    ] = None,
    down_after: Annotated[
        int, typer.Option(min=2, help="Seconds of silence after which a node is down.")
    ] = 5,
    grace: Annotated[
        int, typer.Option(min=1, help="Seconds that `low` gives to a preempted job.")
    ] = 10,
) -> None:
    """Bring a cluster up."""
    settings = Settings(
        nodes=nodes,
        cpus=cpus,
        memory_mb=memory,
        gpus=gpus,
        accounting=accounting,
        max_array_size=max_array_size,
        max_submitted=max_submitted,
        cgroups=cgroups,
        down_after_s=down_after,
        grace_s=grace,
    )
    testbed = Testbed(name)
    began = time.monotonic()
    testbed.up(settings, _say)
    _say(f"{name} is up after {time.monotonic() - began:.1f} s: SLURM_CONF={testbed.conf}")


@app.command()
def down(name: Name = DEFAULT) -> None:
    """Take a cluster down, and remove all of it."""
    testbed = Testbed(name)
    testbed.expect_up()
    testbed.down()
    _say(f"{name} is down")


@app.command()
def status(name: Name = DEFAULT) -> None:
    """What runs, and what the nodes are doing."""
    testbed = Testbed(name)
    testbed.expect_up()
    alive = testbed.processes.alive()
    for process in testbed.processes.names():
        print(f"{process:24} {'alive' if process in alive else 'dead'}")
    if not testbed.controlled:
        print(f"{'slurmctld':24} stopped")
    else:
        for node, state in testbed.states().items():
            print(f"{node:24} {state}")


@app.command()
def env(name: Name = DEFAULT) -> None:
    """A line for `eval`, after which Slurm's commands speak with the cluster."""
    testbed = Testbed(name)
    testbed.expect_up()
    print(f"export SLURM_CONF={testbed.conf}")


@app.command()
def shell(name: Name = DEFAULT) -> None:
    """A shell in which Slurm's commands, and xtl, speak with the cluster."""
    testbed = Testbed(name)
    testbed.expect_up()
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    rc = str(testbed.folder / "etc" / "shell.rc")
    # How its last command ended is nobody's business outside.
    subprocess.run(["bash", "--rcfile", rc], env=testbed.environment() | {"PATH": path})


@app.command()
def poweroff(nodes: Names, name: Name = DEFAULT) -> None:
    """Cut nodes' power: all that runs on them ends at once."""
    _each(name, nodes, Node.power_off)


@app.command()
def boot(nodes: Names, name: Name = DEFAULT) -> None:
    """Start nodes that are off, or slurmd where it was killed."""
    _each(name, nodes, Node.boot)


@app.command()
def unplug(nodes: Names, name: Name = DEFAULT) -> None:
    """Pull nodes' network cables: what runs on them goes on, unseen."""
    _each(name, nodes, lambda node: node.plug(False))


@app.command()
def plug(nodes: Names, name: Name = DEFAULT) -> None:
    """Plug nodes' network cables in."""
    _each(name, nodes, Node.plug)


@app.command("kill-slurmd")
def kill_slurmd(nodes: Names, name: Name = DEFAULT) -> None:
    """Kill the slurmd of nodes: their jobs go on."""
    _each(name, nodes, Node.kill_slurmd)


@app.command("stop-controller")
def stop_controller(name: Name = DEFAULT) -> None:
    """Stop slurmctld; its state is kept."""
    Testbed(name).stop_controller()


@app.command("start-controller")
def start_controller(name: Name = DEFAULT) -> None:
    """Start slurmctld, where it left off."""
    Testbed(name).start_controller()


@app.command("stop-accounting")
def stop_accounting(name: Name = DEFAULT) -> None:
    """Stop slurmdbd: sacct fails, jobs go on."""
    Testbed(name).stop_accounting()


@app.command("start-accounting")
def start_accounting(name: Name = DEFAULT) -> None:
    """Start slurmdbd, which learns what it has missed."""
    Testbed(name).start_accounting()


@app.command()
def restore(name: Name = DEFAULT) -> None:
    """Cancel all jobs, and mend whatever was broken."""
    testbed = Testbed(name)
    testbed.expect_up()
    testbed.restore()


@app.command()
def deps(
    if_possible: Annotated[
        bool, typer.Option("--if-possible", help="Where it is not, say so and call it a success.")
    ] = False,
) -> None:
    """Install the Debian packages that it needs, unless this machine has a Slurm of its own."""
    try:
        packages.install(_say)
    except UserError as error:
        if not if_possible:
            raise
        _say(f"no Slurm tests here: {error}")


def _each(name: str, names: list[str], action: Callable[[Node], None]) -> None:
    testbed = Testbed(name)
    for node in [testbed.node(wanted) for wanted in names]:
        action(node)


def _say(line: str) -> None:
    print(f"xtl: {line}", file=sys.stderr)


def main() -> None:
    """Exit status 0: done; 1: a daemon failed (the end of its log is shown); 2: what was asked for,
    or the machine, will not do; 130: interrupted."""
    try:
        app(prog_name="testbed")
    except (UserError, OSError) as error:
        _say(str(error))
        sys.exit(2)
    except TestbedError as error:
        _say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
