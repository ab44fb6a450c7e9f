"""A first profile of a cluster, from what Slurm says of it."""

from __future__ import annotations

import pytest

from tests.launch.slurm.clusters import NODES, PARTITIONS, cluster
from xtl.errors import UserError
from xtl.launch.profile import parse_profile
from xtl.launch.slurm.discover import propose
from xtl.launch.slurm.facts import read_nodes, read_partitions
from xtl.launch.slurm.fits import require_fits
from xtl.launch.slurm.limits import Limits
from xtl.sweep.cards import look_up


def only(*names: str) -> Limits:
    """The cluster with these partitions alone."""
    entries = [entry for entry in read_partitions(PARTITIONS) if entry.name in names]
    return cluster(partitions=tuple(entries))


def test_a_partition_with_gpus_is_chosen_over_a_default_without() -> None:
    found = propose(cluster())
    assert found.profile.partition == "gpu"
    assert found.choices[0].reason == "it has the most GPUs (32); the default, cpu, has none"


def test_the_default_is_chosen_where_nothing_has_gpus() -> None:
    found = propose(only("cpu", "short"))
    assert (found.profile.partition, found.choices[0].reason) == ("cpu", "the cluster's default")


def test_partitions_that_are_down_or_closed_to_the_user_are_not_chosen() -> None:
    assert propose(only("old", "short")).profile.partition == "short"
    books = tuple(
        entry.model_copy(update={"account": "x"}) for entry in cluster().associations or ()
    )
    assert propose(cluster(associations=books)).profile.partition == "cpu"
    with pytest.raises(UserError, match="no partition that is UP and has nodes"):
        propose(only("old"))


def test_a_rank_gets_a_gpu_with_its_share_of_the_commonest_node() -> None:
    """16 GPUs of each kind: of equals, the node with more CPUs."""
    profile = propose(cluster()).profile
    assert (profile.gpus_per_node, profile.gpu_type, profile.gpu_memory_gib) == (8, "h100", 80.0)
    assert (profile.cpus_per_rank, profile.memory_per_rank_gib, profile.ranks) == (16, 118.5, 8)
    assert profile.device_tflops == 247


def test_without_gpus_a_rank_gets_a_few_cpus() -> None:
    profile = propose(only("cpu")).profile
    assert (profile.gpus_per_node, profile.cpus_per_rank, profile.ranks) == (0, 4, 16)
    assert profile.memory_per_rank_gib == 14.5


def test_times_are_within_the_partitions_limit() -> None:
    time, short = propose(only("gpu")).profile.time, propose(only("short")).profile
    assert (time.intermediate, time.target, time.evaluate) == (1440, 1440, 240)
    assert (short.time.intermediate, short.time.evaluate, short.reconcile.time) == (2, 2, 2)
    assert short.signal_seconds == 30


@pytest.mark.parametrize("names", [("cpu",), ("gpu",), ("short",), ("cpu", "gpu", "short")])
def test_what_is_proposed_fits_the_cluster_and_is_what_the_file_says(
    names: tuple[str, ...],
) -> None:
    found = propose(only(*names))
    require_fits(found.profile, only(*names))
    assert parse_profile(found.text, "p.yaml") == found.profile


def test_a_name_that_yaml_would_misread_is_kept() -> None:
    nodes = read_nodes(NODES.replace("short|", "0700|"))
    entries = read_partitions(PARTITIONS.replace("PartitionName=short", "PartitionName=0700"))
    found = propose(
        cluster(partitions=(entries[3],), nodes=nodes, slurm_conf="/opt/a: b/slurm.conf")
    )
    assert (found.profile.partition, found.profile.slurm_conf) == ("0700", "/opt/a: b/slurm.conf")


def test_gpus_that_are_not_known_leave_a_gap_with_a_comment() -> None:
    nodes = read_nodes("gpu|3|8|4000|gpu:pretend:2|(null)")
    found = propose(cluster(nodes=nodes))
    assert (found.profile.gpu_type, found.profile.gpu_memory_gib) == ("pretend", None)
    assert "gpu_memory_gib: null  # not known: please fill in" in found.text


@pytest.mark.parametrize(
    ("gres", "memory", "tflops"),
    [
        ("a100", 40, 312),
        ("nvidia_a100-sxm4-80gb", 80, 312),
        ("nvidia_h100_80gb_hbm3", 80, 989),
        ("NVIDIA-L40S", 48, 362),
        ("l4", 24, 121),
        ("tesla_v100-sxm2-32gb", 32, 125),
        ("geforce_rtx_3090", 24, 71),
        ("nvidia_gh200_480gb", 96, 989),
        ("a100_3g.20gb", 20, 312 * 3 / 7),
        ("1g.5gb", 5, 0),
    ],
)
def test_a_gpu_is_known_by_the_name_of_its_type(gres: str, memory: float, tflops: float) -> None:
    assert look_up(gres) == pytest.approx((memory, tflops))


@pytest.mark.parametrize("gres", ["pretend", "gtx1080ti", "a1000", "l40x"])
def test_another_name_is_not_mistaken_for_one(gres: str) -> None:
    assert look_up(gres) is None
