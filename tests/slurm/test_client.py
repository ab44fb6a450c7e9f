"""The client, what a cluster allows, and a first profile, on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm.testbed import Testbed, until
from tests.slurm.conftest import MakeTestbed
from tests.slurm.helpers import submit, wait_for
from xtl.errors import UserError
from xtl.launch.profile import SlurmProfile, read_profile
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.discover import discover
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError
from xtl.launch.slurm.fits import require_fits
from xtl.launch.slurm.limits import is_full, largest_array, longest, read_limits, room
from xtl.launch.slurm.queue import sights


def client_of(testbed: Testbed) -> Client:
    return Client(str(testbed.conf))


def look(testbed: Testbed, name: str, tasks: int = 1) -> dict[int, Sight]:
    client = client_of(testbed)
    expected = [(name, index) for index in range(tasks)]
    queue, accounts = client.queue([name]), client.accounts([name], time.time() - 3600)
    return {index: sight for (_, index), sight in sights(queue, accounts, expected).items()}


def until_seen(
    testbed: Testbed, name: str, index: int, holds: Callable[[Sight], bool], what: str
) -> Sight:
    def seen() -> Sight | None:
        sight = look(testbed, name, index + 1).get(index)
        return sight if sight and holds(sight) else None

    found = until(seen, 60, f"{name} {index}: {what}")
    assert found is not None
    return found


def gone(sight: Sight) -> bool:
    return sight.liveness == "gone"


def runs(sight: Sight) -> bool:
    return sight.state == "RUNNING"


def script(path: Path, name: str, *options: str, tasks: int = 1) -> Path:
    lines = ["#!/bin/sh", f"#SBATCH --job-name={name}", f"#SBATCH --array=0-{tasks - 1}"]
    lines += [f"#SBATCH {option}" for option in ("--output=/dev/null", *options)]
    path.write_text("\n".join([*lines, "srun sleep 300", ""]))
    return path


def test_a_job_is_followed_from_its_submission_to_a_persons_cancel(
    breakable: Testbed, tmp_path: Path
) -> None:
    client = client_of(breakable)
    array = client.submit(script(tmp_path / "s.sh", "followed", "--time=5", tasks=2))
    sight = until_seen(breakable, "followed", 1, runs, "runs")
    assert sight.job == f"{array}_1"
    assert sight.node in breakable.states()
    assert client.my_jobs() >= 2
    client.cancel([array])
    sight = until_seen(breakable, "followed", 1, gone, "gone")
    assert sight.state.startswith("CANCELLED by ")
    assert sight.failure is not None
    assert sight.failure.cls == "cancelled"


def test_a_waiting_task_that_a_person_cancels_is_found_to_be_cancelled(breakable: Testbed) -> None:
    array = submit(breakable, "sleep 300", "--job-name=partly", "--array=0-3%1")
    wait_for(breakable, f"{array}_0", "RUNNING")
    client_of(breakable).cancel([f"{array}_2"])
    found = look(breakable, "partly", 4)
    assert [found[index].liveness for index in range(4)] == ["alive", "alive", "gone", "alive"]
    assert found[2].failure is not None
    assert found[2].failure.cls == "cancelled"


def test_a_dependant_of_a_failed_job_is_dropped(breakable: Testbed) -> None:
    parent = submit(breakable, "false", "--job-name=parent", "--array=0-0")
    after = ["--dependency", f"afterok:{parent}", "--kill-on-invalid-dep=yes"]
    submit(breakable, "true", "--job-name=child", "--array=0-1", *after)
    sight = until_seen(breakable, "child", 1, gone, "gone")
    assert sight.dropped
    assert sight.failure is None


def test_a_requeued_job_is_alive_throughout(breakable: Testbed) -> None:
    array = submit(breakable, "sleep 300", "--job-name=again", "--array=0-0", "--requeue")
    wait_for(breakable, f"{array}_0", "RUNNING")
    client_of(breakable).requeue(f"{array}_0")
    until_seen(breakable, "again", 0, lambda sight: sight.waits, "waits")

    def alive_again() -> bool:
        sight = look(breakable, "again")[0]
        assert sight.liveness == "alive"
        return sight.state == "RUNNING"

    assert until(alive_again, 60, "runs again")


def test_a_held_job_says_so_and_starts_when_it_is_released(breakable: Testbed) -> None:
    array = submit(breakable, "sleep 300", "--job-name=held", "--array=0-0", "--hold")
    sight = look(breakable, "held")[0]
    assert (sight.stuck, sight.reason) == (True, "its owner, or this sweep, holds it")
    breakable.run("scontrol", "release", array)
    until_seen(breakable, "held", 0, runs, "runs")


def test_slurm_says_when_a_script_would_start(testbed: Testbed) -> None:
    client = client_of(testbed)
    said = client.test_only("#!/bin/sh\n#SBATCH --time=1\ntrue\n")
    assert said.startswith(f"would start {time.strftime('%Y-')}")
    assert said.endswith("in partition main")
    with pytest.raises(SlurmRefusedError, match="nowhere"):
        client.test_only("#!/bin/sh\n#SBATCH --partition=nowhere\ntrue\n")


def test_what_slurm_does_not_know_is_refused_in_its_words(testbed: Testbed) -> None:
    with pytest.raises(SlurmRefusedError, match=r"^scontrol: Invalid job id"):
        client_of(testbed).requeue("999999_0")


def test_the_testbeds_profile_fits_and_one_that_asks_for_more_does_not(testbed: Testbed) -> None:
    profile = read_profile("testbed")
    assert isinstance(profile, SlurmProfile)
    limits = read_limits(client_of(testbed), profile.partition)
    require_fits(profile, limits)
    assert largest_array(limits, profile) == 1001
    assert limits.max_minutes == 1440
    wrong: dict[str, dict[str, object]] = {
        "partition: found gpu": {"partition": "gpu"},
        "cpus_per_rank: found 9": {"cpus_per_rank": 9},
        "time.intermediate: found 00:10:00": {"partition": "short"},
        "account: found nobody": {"account": "nobody"},
        "qos: found urgent": {"qos": "urgent"},
    }
    for said, change in wrong.items():
        with pytest.raises(UserError, match=said):
            require_fits(profile.model_copy(update=change), limits)


def test_a_first_profile_is_of_the_default_partition_and_fits(testbed: Testbed) -> None:
    client = client_of(testbed)
    found = discover(client)
    assert (found.profile.partition, found.profile.gpus_per_node) == ("main", 2)
    assert found.profile.slurm_conf == str(testbed.conf)
    require_fits(found.profile, read_limits(client, "main"))


def test_the_limit_on_submitted_jobs_is_known_and_its_refusal_is_no_error(
    make_testbed: MakeTestbed, tmp_path: Path
) -> None:
    testbed = make_testbed(nodes=1, max_submitted=5)
    client, profile = client_of(testbed), read_profile("testbed")
    assert isinstance(profile, SlurmProfile)
    limits = read_limits(client, "main")
    assert room(limits, profile, 0) == largest_array(limits, profile) == 5 - 1
    client.submit(script(tmp_path / "s.sh", "first", tasks=5))
    assert room(limits, profile, client.my_jobs()) == 0
    with pytest.raises(SlurmRefusedError) as caught:
        client.submit(script(tmp_path / "s.sh", "second"))
    assert is_full(caught.value)


def test_the_longest_job_of_an_account_and_of_a_qos_is_known(make_testbed: MakeTestbed) -> None:
    testbed = make_testbed(nodes=1)
    profile = read_profile("testbed")
    assert isinstance(profile, SlurmProfile)
    for change, most in (("user root", 30), ("qos normal", 9)):
        kind, name = change.split()
        testbed.run("sacctmgr", "-i", "modify", kind, name, "set", f"MaxWall={most}")
        limits = read_limits(client_of(testbed), "main")
        assert longest(limits, profile) == most
    with pytest.raises(UserError, match=r"time.intermediate: found 00:10:00, .* \(QOS normal\)"):
        require_fits(profile, limits)
    for change in ("qos normal", "user root"):
        testbed.run("sacctmgr", "-i", "modify", *change.split(), "set", "MaxWall=-1")
    assert longest(read_limits(client_of(testbed), "main"), profile) == 1440


def test_a_cluster_without_accounting_is_read_from_the_queue_alone(
    make_testbed: MakeTestbed, tmp_path: Path
) -> None:
    testbed = make_testbed(nodes=1, accounting=False)
    client = client_of(testbed)
    assert not client.has_accounting
    limits = read_limits(client, "main")
    assert limits.associations is None
    array = client.submit(script(tmp_path / "s.sh", "alone"))
    wait_for(testbed, f"{array}_0", "RUNNING")
    assert sights(client.queue(["alone"]), None)["alone", 0].liveness == "alive"
    testbed.stop_controller()
    with pytest.raises(SlurmSilentError, match="squeue: "):
        client.queue(["alone"])
