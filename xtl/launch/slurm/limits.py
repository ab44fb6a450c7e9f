"""What a cluster allows: read in few calls, kept for an hour in a file, and held against profiles.

All but `read_limits` is pure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

from xtl.files import write_whole
from xtl.launch.profile import SlurmProfile
from xtl.launch.records import Record, read_record
from xtl.launch.slurm.client import Client, SlurmRefusedError, SlurmSilentError, has_accounting
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
_FULL = re.compile(r"Submit\w*Limit|temporarily unable to accept|MaxJobCount|too many jobs", re.I)


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
        """The longest job of the partition; None: no limit."""
        found = [entry.max_minutes for entry in self.chosen if entry.max_minutes]
        return min(found, default=None)

    @property
    def chosen(self) -> list[Partition]:
        return self.named(self.partition)

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
        caps += [_association_cap(limits, profile), *_quality_caps(limits, profile)]
    least = min(cap for cap in caps if cap is not None)
    left = least - in_queue - int(profile.reconcile.enabled)
    if profile.limits.submitted is not None:
        left = min(left, profile.limits.submitted - in_queue + reconciling)
    return max(0, left)


def _association_cap(limits: Limits, profile: SlurmProfile) -> int | None:
    """Of the account that is charged. Which one is the default is not asked: the widest, then."""
    caps = [entry.max_submit for entry in charged(limits, profile)]
    return None if None in caps else max((cap for cap in caps if cap is not None), default=None)


def charged(limits: Limits, profile: SlurmProfile) -> list[Association]:
    """The user's associations that a job of this profile can run under."""
    return [
        entry
        for entry in limits.associations or ()
        if profile.account in (None, entry.account)
        and (not entry.partition or entry.partition in profile.partition.split(","))
    ]


def _quality_caps(limits: Limits, profile: SlurmProfile) -> Iterable[int | None]:
    """Of the job's own QOS, and of its partition's."""
    defaults = {entry.default_qos or "normal" for entry in charged(limits, profile)}
    own = {profile.qos} if profile.qos else defaults if len(defaults) == 1 else set()
    names = own | {entry.qos for entry in limits.named(profile.partition)}
    return [entry.max_submit for entry in limits.qualities or () if entry.name in names]


def is_full(error: SlurmRefusedError) -> bool:
    """Whether sbatch said no only because too many jobs are in the queue: later it will not."""
    return bool(_FULL.search(str(error)))
