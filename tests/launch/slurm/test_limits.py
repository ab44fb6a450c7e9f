"""What a cluster allows, and how much of it a sweep may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.slurm.clusters import ASSOCIATIONS, cluster, profile
from xtl.launch.profile import SlurmProfile
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.facts import (
    clock,
    read_associations,
    read_minutes,
    read_nodes,
    read_qualities,
)
from xtl.launch.slurm.limits import Place, is_full, largest_array, longest, read_limits, room


def alone(more: str = "") -> SlurmProfile:
    """A profile whose sweeps leave no job behind that goes on."""
    return profile(f"{more}\nreconcile: {{enabled: false}}")


def test_without_accounting_the_whole_queue_is_the_limit() -> None:
    limits = cluster(enforced=("none",), associations=None, qualities=None, max_jobs=3000)
    assert room(limits, alone(), 100) == 2900
    assert largest_array(limits, alone()) == 1001


def test_the_profiles_own_limit_counts_the_users_jobs() -> None:
    limits = cluster(enforced=("none",))
    assert room(limits, alone("limits: {submitted: 40}"), 10) == 30
    assert room(limits, alone("limits: {submitted: 40}"), 50) == 0
    assert largest_array(limits, alone("limits: {submitted: 40}")) == 40


def test_the_partitions_qos_limits_every_job_in_it() -> None:
    assert room(cluster(), alone(), 30) == 70
    assert largest_array(cluster(), alone()) == 100


def test_an_account_and_a_qos_limit_their_own_jobs() -> None:
    on_cpus = alone("partition: cpu\naccount: guests").model_copy(update={"partition": "cpu"})
    assert room(cluster(), on_cpus, 0) == 20
    assert room(cluster(), alone("qos: long"), 0) == 10


def test_limits_that_are_not_enforced_are_none() -> None:
    assert room(cluster(enforced=("associations",)), alone("qos: long"), 0) == 10_000


def test_an_account_without_a_limit_lifts_that_of_another() -> None:
    """Which is the default is not known; sbatch has the last word."""
    books = read_associations(ASSOCIATIONS + "free||normal||||\n")
    limits = cluster(associations=books, partitions=(), qualities=())
    assert room(limits, alone(), 0) == 10_000


def test_a_place_is_left_for_the_job_that_goes_on_with_the_sweep() -> None:
    limits = cluster(enforced=("none",), max_jobs=100)
    assert room(limits, profile(), 10) == room(limits, alone(), 10) - 1 == 89


def test_the_profiles_limit_is_not_meant_for_the_job_that_goes_on_with_the_sweep() -> None:
    """Or a sweep of one job at a time would never see its second."""
    limits, narrow = cluster(enforced=("none",)), profile("limits: {submitted: 1}")
    assert room(limits, narrow, in_queue=1) == 0
    assert room(limits, narrow, in_queue=1, reconciling=1) == 1


def test_an_array_has_one_task_at_least() -> None:
    assert largest_array(cluster(max_jobs=0), alone()) == 1


def test_the_longest_job_is_the_shortest_limit_of_the_partitions() -> None:
    found = {name: cluster(partition=name).max_minutes for name in ("gpu", "cpu,gpu", "old")}
    assert found == {"gpu": 2880, "cpu,gpu": 2880, "old": None}


@pytest.mark.parametrize(
    ("place", "minutes"),
    [
        (Place("gpu"), 36 * 60),  # the account's
        (Place("short", account="lab"), 2),  # the partition's
        (Place("gpu", qos="long"), 48 * 60),  # the QOS gives three days, which the partition cuts
        (Place("old", qos="long"), 72 * 60),
        (Place("cpu", account="guests"), 120),
        (Place("cpu"), 36 * 60),  # whichever account is the default
        (Place("old", account="nobody"), None),
    ],
)
def test_a_job_is_bounded_by_partition_and_qos_or_else_account(
    place: Place, minutes: int | None
) -> None:
    assert longest(cluster(), place) == minutes
    free = cluster(enforced=("associations",))
    assert longest(free, place) == cluster(partition=place.partition).max_minutes


def test_a_partitions_qos_bounds_every_job_in_it() -> None:
    hour = read_qualities("normal|||\ngpu|||01:00:00\n")
    assert longest(cluster(qualities=hour), profile()) == 60
    assert longest(cluster(qualities=hour), Place("cpu", account="lab")) == 36 * 60


def test_limits_of_within_the_hour_are_read_from_their_file(tmp_path: Path) -> None:
    """A client that cannot answer shows who was asked."""
    path = tmp_path / "cluster.json"
    path.write_text(cluster(slurm_conf="/nowhere").model_dump_json())
    client = Client("/nowhere")
    assert read_limits(client, "cpu", path, now=4000.0) == cluster(
        slurm_conf="/nowhere", partition="cpu"
    )
    for now in (1000.0 + 3601, 999.0):
        with pytest.raises(SlurmSilentError):
            read_limits(client, "cpu", path, now=now)


def test_another_clusters_limits_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(cluster(slurm_conf="/elsewhere").model_dump_json())
    with pytest.raises(SlurmSilentError):
        read_limits(Client("/nowhere"), "gpu", path, now=1000.0)


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ("sbatch: AssocMaxSubmitJobLimit; Batch job submission failed: Job violates "
         "accounting/QOS policy (job submit limit, user's size and/or time limits)", True),
        ("sbatch: QOSMaxSubmitJobPerUserLimit; Batch job submission failed", True),
        ("sbatch: Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("sbatch: Batch job submission failed: Job violates accounting/QOS policy (job submit "
         "limit, user's size and/or time limits)", False),
        ("sbatch: Batch job submission failed: Invalid partition name specified", False),
    ],
)  # fmt: skip
def test_a_full_queue_is_told_from_other_refusals(said: str, full: bool) -> None:
    assert is_full(SlurmRefusedError(said)) == full


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", {}),
        ("gpu:2", {"": 2}),
        ("gpu:a100:4(S:0-1)", {"a100": 4}),
        ("nvme:1,gpu:h100:8(S:0,1),shard:8", {"h100": 8}),
        ("gpu:1g.5gb:7,gpu:3g.20gb:1", {"1g.5gb": 7, "3g.20gb": 1}),
    ],
)
def test_gpus_are_read_from_the_gres_of_a_node(gres: str, gpus: dict[str, int]) -> None:
    (kind,) = read_nodes(f"gpu|2|64|512000+|{gres}|a,b")
    assert {entry.type: entry.count for entry in kind.gpus} == gpus
    assert (kind.memory_mib, kind.features) == (512000, ("a", "b"))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1-00:00:00", 1440), ("2:00", 2), ("12:30:00", 750), ("UNLIMITED", None), ("", None)],
)
def test_times_are_read_as_slurm_writes_them(text: str, minutes: int | None) -> None:
    assert read_minutes(text) == minutes
    if minutes:
        assert read_minutes(clock(minutes)) == minutes
