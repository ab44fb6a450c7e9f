"""Clusters as Slurm describes them, for tests: what `scontrol`, `sinfo` and `sacctmgr` print."""

from __future__ import annotations

from typing import Any

from xtl.launch.profile import SlurmProfile, parse_profile
from xtl.launch.slurm.facts import (
    read_associations,
    read_nodes,
    read_partitions,
    read_qualities,
)
from xtl.launch.slurm.limits import Limits

PARTITIONS = """\
PartitionName=cpu AllowAccounts=ALL Default=YES QoS=N/A MaxTime=7-00:00:00 State=UP
PartitionName=gpu AllowAccounts=lab,guests Default=NO QoS=gpu MaxTime=2-00:00:00 State=UP
PartitionName=old AllowAccounts=ALL Default=NO QoS=N/A MaxTime=UNLIMITED State=DOWN
PartitionName=short AllowAccounts=ALL Default=NO QoS=N/A MaxTime=02:00 State=UP
"""
NODES = """\
cpu|20|64|256000+|(null)|avx,ib
gpu|4|64|512000|gpu:a100:4(S:0-1)|a100,ib
gpu|2|128|1024000|gpu:h100:8(S:0-1),nvme:1|h100,ib
old|1|16|64000|gpu:2|(null)
short|2|8|16000|(null)|(null)
"""
ASSOCIATIONS = "lab||normal,gpu,long|normal|500||1-12:00:00\nguests|cpu|normal||20||02:00:00\n"
QUALITIES = "normal|||\ngpu|100|200|\nlong|10||3-00:00:00\n"
PROFILE = """
cluster: slurm
partition: gpu
gpus_per_node: 4
cpus_per_rank: 16
memory_per_rank_gib: 100
time: {intermediate: 600, target: 600, evaluate: 60}
device_tflops: 80
start_seconds: 30
"""


def cluster(**changed: Any) -> Limits:
    """A cluster with four partitions whose accounting enforces everything."""
    facts: dict[str, Any] = {
        "read": 1000.0,
        "cluster": "big",
        "slurm_conf": None,
        "partition": "gpu",
        "array_size": 1001,
        "max_jobs": 10_000,
        "enforced": ("associations", "limits", "qos"),
        "partitions": read_partitions(PARTITIONS),
        "nodes": read_nodes(NODES),
        "associations": read_associations(ASSOCIATIONS),
        "qualities": read_qualities(QUALITIES),
    }
    return Limits(**facts | changed)


def profile(more: str = "") -> SlurmProfile:
    found = parse_profile(PROFILE + more, "p.yaml")
    assert isinstance(found, SlurmProfile)
    return found
