"""What a cluster allows: read in few calls, kept for an hour in a file, and held against profiles.

All but `read_limits` is pure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xtl.files import write_whole
from xtl.launch.profile import SlurmProfile
from xtl.launch.records import Record, read_record
from xtl.launch.slurm.client import Client, has_accounting
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.facts import (
    Association,
    NodeKind,
    Partition,
    Quality,
    read_associations,
    read_nodes,
    read_partitions,
    read_qualities,
)

VALID_S = 3600.0
_FULL = re.compile(
    r"Submit\w*Limit|temporarily unable to accept|MaxJobCount|too many jobs|queue full", re.I
)


@dataclass(frozen=True)
class Place:
    """Where a job runs, and whom it is charged to: what limits depend on. A profile is one."""

    partition: str
    account: str | None = None
    qos: str | None = None


class Limits(Record):
    """What the cluster allows one user in one partition (or several, `a,b`)."""

    read: float  # seconds since the epoch
    cluster: str  # its name
    slurm_conf: str | None
    partition: str
    array_size: int  # tasks of an array: its highest index is one below
    max_jobs: int  # in the whole queue, of everybody
    enforced: tuple[str, ...]  # of associations, limits, qos, safe
    partitions: tuple[Partition, ...]
    nodes: tuple[NodeKind, ...]
    associations: tuple[Association, ...] | None  # None: cannot be asked
    qualities: tuple[Quality, ...] | None

    @property
    def max_minutes(self) -> int | None:
        """The longest job of the partition; None: no limit. `longest` knows QOS and account too."""
        found = [entry.max_minutes for entry in self.named(self.partition) if entry.max_minutes]
        return min(found, default=None)

    def named(self, partition: str) -> list[Partition]:
        """The partitions of that name, or of the names in `a,b`."""
        names = partition.split(",")
        return [entry for entry in self.partitions if entry.name in names]

    @property
    def enforces_limits(self) -> bool:
        return bool({"limits", "safe"} & set(self.enforced))


def read_limits(
    client: Client, partition: str, path: Path | None = None, now: float | None = None
) -> Limits:
    """The cluster's limits, from `path` where they were kept within the hour; writes nothing.

    Raises SlurmSilentError.
    """
    today = time.time() if now is None else now
    kept = read_record(path, Limits) if path else None
    if kept and kept.slurm_conf == client.slurm_conf and 0 <= today - kept.read < VALID_S:
        return kept.model_copy(update={"partition": partition})
    return _ask(client, partition, today)


def keep_limits(limits: Limits, path: Path) -> None:
    """For `read_limits`, within the hour."""
    write_whole(path, limits.model_dump_json(indent=1))


def _ask(client: Client, partition: str, now: float) -> Limits:
    """Five commands at most, three without accounting."""
    config = client.config()
    tasks = re.search(r"max_array_tasks=(\d+)", config.get("SchedulerParameters", ""))
    sizes = [config.get("MaxArraySize", "1001"), *([tasks[1]] if tasks else [])]
    books = _books(client, config) if has_accounting(config) else (None, None)
    return Limits(
        read=now,
        cluster=config.get("ClusterName", "cluster"),
        slurm_conf=client.slurm_conf,
        partition=partition,
        array_size=min(int(size) for size in sizes),
        max_jobs=int(config.get("MaxJobCount", "10000")),
        enforced=tuple(config.get("AccountingStorageEnforce", "none").split(",")),
        partitions=read_partitions(client.partitions()),
        nodes=read_nodes(client.nodes()),
        associations=books[0],
        qualities=books[1],
    )


def _books(
    client: Client, config: dict[str, str]
) -> tuple[tuple[Association, ...] | None, tuple[Quality, ...] | None]:
    """Accounts and QOS; a database that keeps them to itself, or is down, stops nobody."""
    try:
        mine = read_associations(client.associations(config.get("ClusterName", "")))
        return mine, read_qualities(client.qualities())
    except (SlurmSilentError, SlurmRefusedError):
        return None, None


def largest_array(limits: Limits, profile: SlurmProfile) -> int:
    """Tasks that one array may have: a larger one would be refused whole."""
    return max(1, min(limits.array_size, room(limits, profile, 0)))


def room(limits: Limits, profile: SlurmProfile, in_queue: int, reconciling: int = 0) -> int:
    """Jobs that may still be submitted, where this user has `in_queue` in the queue.

    Of these, `reconciling` are jobs that go on with the sweep: the profile's limit is not meant for
    them. The cluster's is, so it leaves one place for the next of them.
    """
    caps: list[int | None] = [limits.max_jobs]
    if limits.enforces_limits:
        caps.append(_widest(entry.max_submit for entry in charged(limits, profile)))
        caps += [entry.max_submit for entry in _qualities(limits, profile)]
    least = min(cap for cap in caps if cap is not None)
    left = least - in_queue - int(profile.reconcile.enabled)
    if profile.limits.submitted is not None:
        left = min(left, profile.limits.submitted - in_queue + reconciling)
    return max(0, left)


def longest(limits: Limits, place: Place | SlurmProfile) -> int | None:
    """Minutes that a job may run there at most; None: no limit."""
    return min((minutes for minutes, _ in time_limits(limits, place)), default=None)


def most_memory(limits: Limits, profile: SlurmProfile) -> float:
    """By how much more host memory than the profile says a job may ask for: the most that a node
    with enough of all else has."""
    there = [
        kind.memory_mib / 1024
        for kind in limits.nodes
        if kind.partition in profile.partition.split(",")
        and kind.cpus >= profile.cpus_per_rank * profile.ranks
        and kind.gpus_of(profile.gpu_type) >= profile.gpus_per_node
    ]
    return max(1.0, max(there, default=0.0) / (profile.memory_per_rank_gib * profile.ranks))


def time_limits(limits: Limits, place: Place | SlurmProfile) -> list[tuple[int, str]]:
    """(minutes, whose) of all that bounds a job. Slurm lets a longer one wait for ever.

    A QOS's limit outdoes the account's, as https://slurm.schedmd.com/resource_limits.html has it.
    """
    where = limits.named(place.partition)
    found = [(entry.max_minutes, f"partition {entry.name}") for entry in where]
    if limits.enforces_limits:
        named = [(entry.max_minutes, f"QOS {entry.name}") for entry in _qualities(limits, place)]
        widest = _widest(entry.max_minutes for entry in charged(limits, place))
        whose = f"account {place.account}" if place.account else "your account"
        found += named if any(most for most, _ in named) else [(widest, whose)]
    return [(most, whose) for most, whose in found if most]


def charged(limits: Limits, place: Place | SlurmProfile) -> list[Association]:
    """The user's associations that a job there can run under."""
    return [
        entry
        for entry in limits.associations or ()
        if place.account in (None, entry.account)
        and (not entry.partition or entry.partition in place.partition.split(","))
    ]


def _qualities(limits: Limits, place: Place | SlurmProfile) -> list[Quality]:
    """The job's own QOS, and its partition's."""
    defaults = {entry.default_qos or "normal" for entry in charged(limits, place)}
    own = {place.qos} if place.qos else defaults if len(defaults) == 1 else set()
    names = own | {entry.qos for entry in limits.named(place.partition)}
    return [entry for entry in limits.qualities or () if entry.name in names]


def _widest(caps: Iterable[int | None]) -> int | None:
    """Of the accounts that may be charged: which one is the default is not asked."""
    found = list(caps)
    return None if None in found else max((cap for cap in found if cap is not None), default=None)


def is_full(error: SlurmRefusedError) -> bool:
    """Whether sbatch said no only because too many jobs are in the queue: later it will not."""
    return bool(_FULL.search(str(error)))
