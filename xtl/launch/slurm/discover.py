"""A first profile of a cluster, from what its controller says of partitions and nodes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from xtl.errors import UserError
from xtl.launch.profile import SlurmProfile, parse_profile
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.facts import NodeKind, Partition, clock
from xtl.launch.slurm.limits import Limits, Place, read_limits, time_limits
from xtl.sweep.cards import look_up

_REACHED = 0.25  # of a data sheet's dense bf16 rate; measured rates of such models are 9-47%
_CPU_TFLOPS, _UNKNOWN_TFLOPS = 0.2, 20.0
_TRAINING_MIN, _EVALUATION_MIN = 24 * 60, 4 * 60
_MOST_CPUS, _MOST_CPUS_ALONE, _MOST_GIB = 16, 4, 128  # a rank gains nothing from more


@dataclass(frozen=True)
class Choice:
    """A setting that was chosen for a profile, as YAML has it, and why."""

    key: str
    value: str
    reason: str


@dataclass(frozen=True)
class Discovery:
    """A first profile: what stands in it and why, and its file's text."""

    cluster: str
    profile: SlurmProfile
    choices: tuple[Choice, ...]
    text: str


def derive(client: Client) -> SlurmProfile:
    """What a sweep uses on a cluster for which nobody has written a profile."""
    return discover(client).profile


def discover(client: Client) -> Discovery:
    """Raises SlurmSilentError, and UserError where the cluster has no nodes."""
    return propose(read_limits(client, ""))


def propose(limits: Limits) -> Discovery:
    """A profile for the partition that suits best. Pure."""
    partition, why = _partition(limits)
    kind = max(_kinds(limits, partition), key=lambda kind: (_gpus(kind) * kind.count, kind.cpus))
    chosen = {
        entry.key: entry
        for entry in (
            Choice("partition", json.dumps(partition.name), why),
            *_shares(kind),
            *_card(kind),
            *_times(time_limits(limits, Place(partition.name))),
        )
    }
    text = _TEMPLATES.get_template("profile.yaml.j2").render(
        chosen=chosen, slurm_conf=limits.slurm_conf
    )
    profile = parse_profile(text, "profile")
    assert isinstance(profile, SlurmProfile)
    return Discovery(limits.cluster, profile, tuple(chosen.values()), text)


def _partition(limits: Limits) -> tuple[Partition, str]:
    """The cluster's default, unless it has no GPUs and another one has."""
    usable = [entry for entry in limits.partitions if entry.state == "UP" and _kinds(limits, entry)]
    usable = [entry for entry in usable if _admits(entry, limits)] or usable
    if not usable:
        raise UserError("Slurm: found no partition that is UP and has nodes, expected one")
    default = next((entry for entry in usable if entry.default), None)
    richest = max(usable, key=lambda entry: _all_gpus(limits, entry))
    gpus = _all_gpus(limits, richest)
    if default and (_all_gpus(limits, default) or not gpus):
        return default, "the cluster's default"
    other = f"; the default, {default.name}, has none" if default else "; there is no default"
    return richest, (f"it has the most GPUs ({gpus}){other}" if gpus else "the first that is UP")


def _admits(partition: Partition, limits: Limits) -> bool:
    """Whether it takes one of this user's accounts, as far as these are known."""
    mine = {entry.account for entry in limits.associations or ()}
    return partition.accounts is None or not mine or bool(mine & set(partition.accounts))


def _kinds(limits: Limits, partition: Partition) -> list[NodeKind]:
    return [kind for kind in limits.nodes if kind.partition == partition.name]


def _all_gpus(limits: Limits, partition: Partition) -> int:
    return sum(kind.count * _gpus(kind) for kind in _kinds(limits, partition))


def _gpus(kind: NodeKind) -> int:
    """Of the type that the node has most of."""
    return max((entry.count for entry in kind.gpus), default=0)


def _shares(kind: NodeKind) -> Iterable[Choice]:
    """A rank's share of a node: a GPU with its part of CPUs and memory, or a few CPUs."""
    gpus = _gpus(kind)
    yield Choice("gpus_per_node", str(gpus), f"as most of its nodes ({kind.count}) have")
    cpus = min(_MOST_CPUS, kind.cpus // gpus) if gpus else min(_MOST_CPUS_ALONE, kind.cpus)
    ranks = gpus or max(1, kind.cpus // max(1, cpus))
    memory = kind.memory_mib / 1024
    share = max(0.5, min(_MOST_GIB, int(memory / ranks * 0.95 * 2) / 2))
    if gpus:
        yield Choice("ranks_per_node", "null", "one a GPU")
    else:
        yield Choice("ranks_per_node", str(ranks), f"{cpus} of {kind.cpus} CPUs each")
    yield Choice("cpus_per_rank", str(max(1, cpus)), f"a share of {kind.cpus} CPUs")
    yield Choice("memory_per_rank_gib", f"{share:g}", f"a share of {memory:.0f} GiB")


def _card(kind: NodeKind) -> Iterable[Choice]:
    """What is known of its GPUs by the name of their type."""
    card = max(kind.gpus, key=lambda entry: entry.count).type if kind.gpus else ""
    named = "as the cluster names it" if card else "the cluster names none"
    yield Choice("gpu_type", json.dumps(card or None), named)
    known = look_up(card) if card else None
    memory = f"{known[0]:g}" if known and known[0] else "null"
    said = "by the name of its type" if memory != "null" else "not known: please fill in"
    yield Choice("gpu_memory_gib", memory, said if kind.gpus else "no GPUs")
    if not kind.gpus:
        yield Choice("device_tflops", str(_CPU_TFLOPS), "a guess for CPUs")
    elif known and known[1]:
        rate = f"{known[1] * _REACHED:.3g}"
        yield Choice("device_tflops", rate, f"a quarter of the data sheet's {known[1]:g}")
    else:
        yield Choice("device_tflops", f"{_UNKNOWN_TFLOPS:g}", "a guess: the type is not known")


def _times(limits: list[tuple[int, str]]) -> Iterable[Choice]:
    most, whose = min(limits, default=(None, ""))
    limit = f"the limit of {whose} is {clock(most)}" if most else "the partition has no limit"
    training = min(_TRAINING_MIN, most or _TRAINING_MIN)
    evaluation = min(_EVALUATION_MIN, most or _EVALUATION_MIN)
    yield Choice("time", f'"{clock(training)}"', limit)
    yield Choice("time.evaluate", f'"{clock(evaluation)}"', limit)
    yield Choice("reconcile.time", str(min(30, most or 30)), limit)
    warning = min(120, 60 * evaluation // 4)
    yield Choice("signal_seconds", str(warning), "before the limit, to save")


_TEMPLATES = Environment(
    loader=PackageLoader("xtl.launch.slurm", "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
