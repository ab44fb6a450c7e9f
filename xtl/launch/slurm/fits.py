"""A profile held against its cluster, before anything is submitted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from xtl.errors import UserError
from xtl.launch.profile import SlurmProfile
from xtl.launch.slurm.facts import NodeKind, clock
from xtl.launch.slurm.limits import Limits, charged, time_limits
from xtl.sweep.cards import lacks
from xtl.sweep.shard import Precision

PRECISIONS: tuple[Precision, ...] = ("bf16", "fp16", "fp32")


def require_fits(profile: SlurmProfile, limits: Limits, source: str = "profile") -> None:
    """Raises UserError, one line with the key, for what this cluster would refuse or never run."""
    problem = next(iter(problems(profile, limits)), None)
    if problem:
        raise UserError(f"{source}: {problem}")


def problems(profile: SlurmProfile, limits: Limits) -> Iterable[str]:
    """What does not fit, the most fundamental first."""
    unknown = [*_partition(profile.partition, limits, "partition")]
    if profile.reconcile.enabled and profile.reconcile.partition:
        unknown += _partition(profile.reconcile.partition, limits, "reconcile.partition")
    if unknown:
        return unknown
    kinds = _kinds(profile, limits)
    return [*_resources(profile, kinds), *_times(profile, limits), *_rights(profile, limits)]


def require_computes(profile: SlurmProfile, limits: Limits, precision: Precision) -> None:
    """Raises UserError, one line, where all cards that a job may get are known to lack it."""
    types = {entry.type for kind in _kinds(profile, limits) for entry in kind.gpus}
    types = {profile.gpu_type} if profile.gpu_type else types
    if profile.gpus_per_node and types and all(lacks(name, precision) for name in types):
        able = [each for each in PRECISIONS if not any(lacks(name, each) for name in types)]
        raise UserError(
            f"engine.precision: found {precision}, expected {' or '.join(able)}: GPUs of "
            f"{profile.partition} ({_list(types)}) have no {precision}"
        )


def nodes_to_spare(profile: SlurmProfile, limits: Limits, ranks: int) -> int:
    """Of the nodes that a job may get, those that a job of so many ranks can do without; of several
    partitions, by the largest, since they may share nodes."""
    words = set(_features(profile))
    counts = {
        name: sum(
            kind.count
            for kind in _kinds(profile, limits)
            if kind.partition == name
            and _holds(profile, kind)
            and (not words or words & set(kind.features))
        )
        for name in profile.partition.split(",")
    }
    return max(0, max(counts.values()) - profile.nodes_for(ranks)[0])


def _partition(names: str, limits: Limits, key: str) -> Iterable[str]:
    known = {entry.name: entry for entry in limits.partitions}
    for name in names.split(","):
        if name not in known:
            yield f"{key}: found {name}, expected one that the cluster has ({_list(known)})"
        elif known[name].state in ("DOWN", "INACTIVE"):
            yield f"{key}: found {name}, which is {known[name].state}, expected one that is UP"


def _kinds(profile: SlurmProfile, limits: Limits) -> list[NodeKind]:
    names = profile.partition.split(",")
    return [kind for kind in limits.nodes if kind.partition in names]


def _resources(profile: SlurmProfile, kinds: list[NodeKind]) -> Iterable[str]:
    """Each figure by itself, then all together: some one node must have them."""
    if not kinds:
        yield f"partition: found {profile.partition}, which has no nodes"
        return
    types = {entry.type for kind in kinds for entry in kind.gpus if entry.type}
    if profile.gpu_type and profile.gpu_type not in types:
        yield f"gpu_type: found {profile.gpu_type}, expected {_place(profile)} has ({_list(types)})"
        return
    found = [*_figures(profile, kinds)]
    yield from found
    if not found and not any(_holds(profile, kind) for kind in kinds):
        yield (
            f"partition: found {profile.partition}, of which no node has {profile.ranks} x "
            f"({profile.cpus_per_rank} CPUs and {profile.memory_per_rank_gib:g} GiB) and "
            f"{profile.gpus_per_node} GPUs, expected one that has"
        )
    yield from _constraint(profile, kinds)


def _figures(profile: SlurmProfile, kinds: list[NodeKind]) -> Iterable[str]:
    ranks, where = profile.ranks, f"the largest node of {profile.partition} has"
    gpus = max(kind.gpus_of(profile.gpu_type) for kind in kinds)
    if profile.gpus_per_node > gpus:
        yield f"gpus_per_node: found {profile.gpus_per_node}, expected at most {gpus} ({where})"
    cpus = max(kind.cpus for kind in kinds)
    if profile.cpus_per_rank * ranks > cpus:
        asked = f"{profile.cpus_per_rank} (of {ranks} ranks a node)"
        yield f"cpus_per_rank: found {asked}, expected at most {cpus // ranks} ({where} {cpus})"
    memory = max(kind.memory_mib for kind in kinds) / 1024
    if profile.memory_per_rank_gib * ranks > memory:
        asked = f"{profile.memory_per_rank_gib:g} (of {ranks} ranks a node)"
        most = int(memory / ranks * 10) / 10
        has = f"{where} {memory:.1f}"
        yield f"memory_per_rank_gib: found {asked}, expected at most {most:g} ({has})"


def _holds(profile: SlurmProfile, kind: NodeKind) -> bool:
    return (
        kind.gpus_of(profile.gpu_type) >= profile.gpus_per_node
        and kind.cpus >= profile.cpus_per_rank * profile.ranks
        and kind.memory_mib >= 1024 * profile.memory_per_rank_gib * profile.ranks
    )


def _constraint(profile: SlurmProfile, kinds: list[NodeKind]) -> Iterable[str]:
    """Features are words; what stands between them is Slurm's to judge."""
    known = {feature for kind in kinds for feature in kind.features}
    for word in _features(profile):
        if word not in known:
            yield f"constraint: found {word}, expected {_place(profile)} has ({_list(known)})"


def _features(profile: SlurmProfile) -> list[str]:
    return re.findall(r"[A-Za-z_][\w.:=-]*", profile.constraint or "")


def _times(profile: SlurmProfile, limits: Limits) -> Iterable[str]:
    for stage, minutes in profile.time.model_dump().items():
        yield from _time(f"time.{stage}", minutes, profile, limits)
    if profile.reconcile.enabled:
        yield from _time("reconcile.time", profile.reconcile.time, profile.reconciling, limits)


def _time(key: str, minutes: int, profile: SlurmProfile, limits: Limits) -> Iterable[str]:
    most, whose = min(time_limits(limits, profile), default=(minutes, ""))
    if minutes > most:
        yield f"{key}: found {clock(minutes)}, expected at most {clock(most)} ({whose})"


def _rights(profile: SlurmProfile, limits: Limits) -> Iterable[str]:
    """Account and QOS, as far as the cluster enforces them and lets itself be asked."""
    yield from _charges(profile, limits, "")
    reconcile = profile.reconcile
    if reconcile.enabled and (reconcile.partition or reconcile.account or reconcile.qos):
        yield from _charges(profile.reconciling, limits, "reconcile.")


def _charges(profile: SlurmProfile, limits: Limits, where: str) -> Iterable[str]:
    mine = {entry.account for entry in limits.associations or ()}
    if profile.account and mine and "associations" in limits.enforced:
        found = f"{where}account: found {profile.account}, expected one"
        if profile.account not in mine:
            yield f"{found} of yours ({_list(mine)})"
        for entry in limits.named(profile.partition):
            if entry.accounts is not None and profile.account not in entry.accounts:
                yield f"{found} that partition {entry.name} admits ({_list(entry.accounts)})"
    granted = {name for entry in charged(limits, profile) for name in entry.qos}
    if profile.qos and granted and "qos" in limits.enforced and profile.qos not in granted:
        yield f"{where}qos: found {profile.qos}, expected one of yours ({_list(granted)})"


def _place(profile: SlurmProfile) -> str:
    return f"one that a node of {profile.partition}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
