"""What a cluster is made of: partitions, nodes, accounts and QOS, from Slurm's answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xtl.launch.clocks import seconds_of
from xtl.launch.records import Record

NODE_FORMAT = "%R|%D|%c|%m|%G|%f"  # partition, nodes, and of each: CPUs, MiB, GRES, features
ASSOCIATION_FORMAT = "format=Account,Partition,QOS,DefaultQOS,MaxSubmitJobs,GrpSubmitJobs,MaxWall"
QOS_FORMAT = "format=Name,MaxSubmitJobsPerUser,GrpSubmitJobs,MaxWall"
_GPUS = re.compile(r"(?:^|,)gpu:(?:([^:,(]+):)?(\d+)(?=$|[,(:])")


class Gpus(Record):
    """GPUs of one type in a node; the type is empty where the cluster names none."""

    type: str
    count: int


class NodeKind(Record):
    """Nodes of a partition that are alike. CPUs are hardware threads where Slurm counts those."""

    partition: str
    count: int
    cpus: int
    memory_mib: int
    gpus: tuple[Gpus, ...] = ()
    features: tuple[str, ...] = ()

    def gpus_of(self, kind: str | None) -> int:
        """GPUs of one type in a node, or of any."""
        return sum(entry.count for entry in self.gpus if kind in (None, entry.type))


class Partition(Record):
    """A partition. None: no limit, or all may use it."""

    name: str
    default: bool
    state: str  # UP, DOWN, DRAIN, INACTIVE
    max_minutes: int | None
    accounts: tuple[str, ...] | None
    qos: str | None  # whose limits hold for every job in it


class Association(Record):
    """An account that this user may charge, in one partition or (empty) in all."""

    account: str
    partition: str
    qos: tuple[str, ...]
    default_qos: str
    max_submit: int | None
    max_minutes: int | None


class Quality(Record):
    """A QOS: how many jobs a user may have in the queue under it, and for how long one may run."""

    name: str
    max_submit: int | None
    max_minutes: int | None


def read_nodes(text: str) -> tuple[NodeKind, ...]:
    """Rows of `sinfo --exact --noheader --format=NODE_FORMAT`."""
    return tuple(
        NodeKind(
            partition=partition,
            count=int(count),
            cpus=_number(cpus) or 0,
            memory_mib=_number(memory) or 0,
            gpus=tuple(Gpus(type=kind, count=int(n)) for kind, n in _GPUS.findall(gres)),
            features=tuple(part for part in features.split(",") if part and part != "(null)"),
        )
        for partition, count, cpus, memory, gres, features in _rows(text, 6)
    )


def read_partitions(text: str) -> tuple[Partition, ...]:
    """Lines of `scontrol --oneliner show partition`."""
    lines = (dict(part.partition("=")[::2] for part in line.split()) for line in text.splitlines())
    return tuple(_partition(fields) for fields in lines if "PartitionName" in fields)


def _partition(fields: dict[str, str]) -> Partition:
    accounts, qos = fields.get("AllowAccounts", "ALL"), fields.get("QoS", "N/A")
    return Partition(
        name=fields["PartitionName"],
        default=fields.get("Default") == "YES",
        state=fields.get("State", "UP"),
        max_minutes=read_minutes(fields.get("MaxTime", "UNLIMITED")),
        accounts=None if accounts == "ALL" else tuple(accounts.split(",")),
        qos=None if qos in ("N/A", "(null)") else qos,
    )


def read_associations(text: str) -> tuple[Association, ...]:
    """Rows of `sacctmgr -nP show associations` with ASSOCIATION_FORMAT."""
    return tuple(
        Association(
            account=account,
            partition=partition,
            qos=tuple(name for name in qos.split(",") if name),
            default_qos=default,
            max_submit=_least(_number(own), _number(group)),
            max_minutes=read_minutes(wall),
        )
        for account, partition, qos, default, own, group, wall in _rows(text, 7)
    )


def read_qualities(text: str) -> tuple[Quality, ...]:
    """Rows of `sacctmgr -nP show qos` with QOS_FORMAT."""
    return tuple(
        Quality(
            name=name,
            max_submit=_least(_number(own), _number(group)),
            max_minutes=read_minutes(wall),
        )
        for name, own, group, wall in _rows(text, 4)
    )


def read_minutes(text: str) -> int | None:
    """Whole minutes of a limit; None where there is none."""
    seconds = seconds_of(text)
    return None if seconds is None else seconds // 60


def clock(minutes: int) -> str:
    """Minutes as Slurm and profiles write them."""
    days, rest = divmod(minutes, 24 * 60)
    time = f"{rest // 60:02}:{rest % 60:02}:00"
    return f"{days}-{time}" if days else time


def _rows(text: str, columns: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == columns:
            yield cells


def _number(text: str) -> int | None:
    """A figure that may end in `+`; None for UNLIMITED, infinite and nothing."""
    found = re.fullmatch(r"(\d+)\+?", text.strip())
    return int(found[1]) if found else None


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
