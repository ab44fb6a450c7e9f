"""A testbed's network: a switch in a namespace of its own, a cable to each node, one to the host.

The host sees a single link, `xtb<slot>`. A slot is a subnet and a few ports; a testbed takes the
one that its name hashes to, or the next that is free. The link is made in one step and bears an
address that is the name's alone, so a slot has one owner, and is found again with no record of it.
"""

from __future__ import annotations

import hashlib
import socket
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Interface

import psutil

from slurm.testbed.processes import TestbedError, run
from xtl.errors import UserError

_SLOTS = range(1, 201)
_FIRST_PORT = 24000  # 4 a slot: below 32768, where the ports of outgoing connections begin


@dataclass(frozen=True)
class Network:
    """Addresses and ports of a slot. Nodes are counted from 0."""

    slot: int

    @property
    def uplink(self) -> str:
        return f"xtb{self.slot}"

    @property
    def controller(self) -> IPv4Interface:
        return IPv4Interface(f"10.231.{self.slot}.1/24")

    def address(self, node: int) -> IPv4Interface:
        return IPv4Interface(f"10.231.{self.slot}.{node + 11}/24")

    @property
    def controller_port(self) -> int:
        return _FIRST_PORT + 4 * self.slot

    @property
    def node_port(self) -> int:
        return self.controller_port + 1

    @property
    def database_port(self) -> int:
        return self.controller_port + 2

    def free(self) -> bool:
        """Whether nothing else on this machine has the addresses or the ports."""
        network = str(self.controller.network.network_address).removesuffix("0")
        links = psutil.net_if_addrs().values()
        taken = any(one.address.startswith(network) for link in links for one in link)
        return not taken and _closed(self.controller_port) and _closed(self.database_port)


def claim(name: str, switch: int) -> Network:
    """Take a free slot: its link goes from the host to the network namespace of `switch` (a pid).

    The link is made with an address that is the name's alone; where another testbed was quicker,
    making it fails and the next slot is tried.
    """
    first = int.from_bytes(_digest(name)[-4:], "big")
    for step in range(len(_SLOTS)):
        network = Network(_SLOTS[(first + step) % len(_SLOTS)])
        if network.free() and _made(network, name, switch):
            return network
    raise UserError(f"network: found {len(_SLOTS)} slots taken, expected a free one")


def _made(network: Network, name: str, switch: int) -> bool:
    up, host = network.uplink, network.controller
    link = f"link add {up} address {_mac(name)} type veth peer name host netns {switch}"
    try:
        ip(link)
    except TestbedError:
        if up in psutil.net_if_addrs():
            return False
        raise
    ip(f"addr add {host} dev {up}", f"link set {up} up")
    ip("link add switch type bridge", "link set switch up", inside=switch)
    ip("link set host master switch up", inside=switch)
    return True


def find(name: str) -> Network | None:
    """The slot that a testbed has, by its link."""
    for link, addresses in psutil.net_if_addrs().items():
        if link.startswith("xtb") and any(one.address == _mac(name) for one in addresses):
            return Network(int(link.removeprefix("xtb")))
    return None


def release(name: str) -> None:
    """Remove the host's link, which may be going by itself since its other end is gone."""
    if network := find(name):
        try:
            ip(f"link del {network.uplink}")
        except TestbedError:
            if find(name):
                raise


def connect(node: int, inside: int, address: IPv4Interface, switch: int) -> None:
    """A cable from the switch to the network namespace of `inside` (a pid), and its address."""
    cable = _cable(node)
    if cable in ip("-brief link", inside=switch):
        ip(f"link del {cable}", inside=switch)  # of a node that was powered off
    ip(
        f"link add {cable} type veth peer name eth0 netns {inside}",
        f"link set {cable} master switch up",
        inside=switch,
    )
    ip("link set lo up", f"addr add {address} dev eth0", "link set eth0 up", inside=inside)


def plug(node: int, switch: int, *, plugged: bool) -> None:
    ip(f"link set {_cable(node)} {'up' if plugged else 'down'}", inside=switch)


def ip(*lines: str, inside: int | None = None) -> str:
    """Run lines of ip(8), in the network namespace of a process or in this one."""
    where = ["nsenter", "--target", str(inside), "--net"] if inside else []
    if len(lines) == 1:
        return run([*where, "ip", *lines[0].split()])
    return run([*where, "ip", "-batch", "-"], "\n".join(lines))


def _cable(node: int) -> str:
    return f"node{node + 1}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _mac(name: str) -> str:
    """A locally administered address that stands for the name."""
    return ":".join(["02", *(f"{byte:02x}" for byte in _digest(name)[:5])])


def _closed(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
