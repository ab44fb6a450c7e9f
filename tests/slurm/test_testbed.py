"""The testbed is a Slurm cluster: its nodes are hosts, it can be broken, and it leaves nothing."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from slurm.testbed import Settings, Testbed, TestbedError, cgroups, config, packages, until
from slurm.testbed.layout import Layout
from slurm.testbed.network import Network
from slurm.testbed.processes import MARK
from tests.slurm.conftest import special
from tests.slurm.helpers import facts, lines, submit, wait_for
from xtl.errors import UserError

ROOT = Path(__file__).parents[2]
MakeTestbed = Callable[..., Testbed]
STUBBORN = "trap 'echo warned $(date +%s)' TERM\necho began\nwhile :; do sleep 0.1; done\n"


@dataclass(frozen=True)
class Trouble:
    """A cluster on which much goes wrong at once, and what became of it."""

    testbed: Testbed
    folder: Path
    jobs: dict[str, str]

    def said(self, job: str) -> list[str]:
        """What the copies of a job wrote, one after the other."""
        return lines(self.folder / job)

    def ends(self, job: str, state: str) -> list[int]:
        """When copies of a job ended in a state, in seconds since 1970."""
        words = ["-n", "-X", "-P", "-D", "-o", "State,End", "-j", self.jobs[job]]
        rows = [row.split("|") for row in self.testbed.run("sacct", *words).splitlines()]
        return [int(datetime.fromisoformat(end).timestamp()) for had, end in rows if had == state]


@pytest.fixture(scope="module")
def trouble(machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trouble]:
    """On the first node a job in `low` is preempted, on the second one in `harsh`; the third is
    unplugged; one of the others loses its power under a job."""
    folder = tmp_path_factory.mktemp("trouble")
    with special(nodes=5, down_after_s=2, grace_s=4) as testbed:
        one, two, three, *_ = (node.name for node in testbed.nodes)

        def run(name: str, script: str, *options: str) -> str:
            return submit(testbed, script, *options, output=folder / name)

        def alone(partition: str, node: str) -> list[str]:
            return [f"--partition={partition}", f"--nodelist={node}", "--exclusive"]

        (folder / "stubborn.sh").write_text(STUBBORN)
        stubborn = f"srun bash {folder}/stubborn.sh"
        jobs = {
            "low": run("low", stubborn, *alone("low", one)),
            "harsh": run("harsh", stubborn, *alone("harsh", two)),
            "powerless": run("powerless", "hostname; sleep 600", f"--exclude={one},{two},{three}"),
        }
        until(lambda: all(lines(folder / name) for name in jobs), what="the jobs run")
        jobs["high 1"] = run("high 1", "sleep 1", *alone("high", one))
        jobs["high 2"] = run("high 2", "sleep 1", *alone("high", two))
        testbed.node(three).plug(False)
        testbed.node(*lines(folder / "powerless")).power_off()
        yield Trouble(testbed, folder, jobs)


def command(*words: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """`python -m slurm.testbed`, as a person runs it, and what it said."""
    program = [*before, sys.executable, "-m", "slurm.testbed", *words]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_every_node_is_idle_when_up_returns(testbed: Testbed) -> None:
    nodes = [f"{testbed.name}-{number}" for number in (1, 2, 3, 4)]
    assert testbed.states() == dict.fromkeys(nodes, "idle")


def test_the_partitions_are_what_the_document_says(testbed: Testbed) -> None:
    shown = testbed.run("scontrol", "--oneliner", "show", "partition").splitlines()
    partitions = [dict(word.split("=", 1) for word in line.split()) for line in shown]
    names = {entry["PartitionName"]: entry for entry in partitions}
    document = (ROOT / "docs" / "testbed.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in document for name in names)
    assert names["main"]["Default"] == "YES"
    assert names["short"]["MaxTime"] == "00:02:00"
    assert [names[name]["GraceTime"] for name in ("low", "harsh")] == ["10", "0"]
    assert int(names["high"]["PriorityTier"]) > int(names["low"]["PriorityTier"])


def test_a_job_over_two_nodes_runs_on_two_hosts_that_reach_each_other(testbed: Testbed) -> None:
    one, two = (node.name for node in testbed.nodes[:2])
    script = (
        f"hostname; getent hosts {one} {two} | wc -l; ls /dev/shm | wc -l; "
        f"touch /dev/shm/$(hostname); (</dev/tcp/{two}/{testbed.network.node_port}) && echo reached"
    )
    said = testbed.run("srun", "--label", f"--nodelist={one},{two}", "bash", "-c", script)
    each = [
        [line[3:] for line in said.splitlines() if line.startswith(f"{rank}:")] for rank in "01"
    ]
    assert each == [[one, "2", "0", "reached"], [two, "2", "0", "reached"]]


def test_an_unplugged_node_lives_and_is_missed(trouble: Trouble) -> None:
    node = trouble.testbed.nodes[2]
    slurmd = (str(node.address.ip), trouble.testbed.network.node_port)
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        socket.create_connection(slurmd, timeout=0.5)
    assert node.slurmd
    until(lambda: trouble.testbed.states()[node.name].endswith("*"), what="it is missed")
    node.plug()
    socket.create_connection(slurmd, timeout=5).close()


def test_jobs_get_the_gpus_that_they_asked_for(breakable: Testbed, tmp_path: Path) -> None:
    node = breakable.nodes[0].name
    script = "echo gpus $CUDA_VISIBLE_DEVICES; sleep 60"
    outputs = [tmp_path / "a", tmp_path / "b"]
    jobs = [
        submit(breakable, script, "--gres=gpu:1", f"--nodelist={node}", output=output)
        for output in outputs
    ]
    until(lambda: all(map(lines, outputs)), what="both jobs say what they see")
    assert [lines(output) for output in outputs] == [["gpus 0"], ["gpus 1"]]
    third = submit(breakable, script, "--gres=gpu:1", f"--nodelist={node}")
    assert wait_for(breakable, third, "PENDING")["JobState"] == "PENDING"
    accounted = ["sacct", "-n", "-X", "-P", "-o", "AllocTRES", "-j", jobs[0]]
    until(lambda: "gres/gpu=1" in breakable.run(*accounted), what="AllocTRES")


def test_a_job_outlives_its_slurmd_and_the_controller(breakable: Testbed, tmp_path: Path) -> None:
    node = breakable.nodes[0]
    script = f"echo began; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo ended"
    job = submit(breakable, script, f"--nodelist={node.name}", output=tmp_path / "out")
    until(lambda: lines(tmp_path / "out"), what="the job runs")
    node.kill_slurmd()
    assert node.slurmd is None
    breakable.stop_controller()
    assert not breakable.answers("squeue")
    (tmp_path / "go").touch()
    until(lambda: "ended" in lines(tmp_path / "out"), what="the job ends, unseen")
    breakable.start_controller()
    node.boot()
    assert wait_for(breakable, job, "COMPLETED")["Restarts"] == "0"


def test_the_limits_that_were_asked_for_are_met(make_testbed: MakeTestbed) -> None:
    testbed = make_testbed(nodes=1, max_array_size=10, max_submitted=3)
    with pytest.raises(TestbedError, match="Invalid job array"):
        submit(testbed, "true", "--array=0-10")
    submit(testbed, "sleep 60", "--array=0-2")
    with pytest.raises(TestbedError, match="AssocMaxSubmitJobLimit"):
        submit(testbed, "true")


def test_more_time_than_a_partition_has_is_refused(testbed: Testbed) -> None:
    with pytest.raises(TestbedError, match="time limit is invalid"):
        submit(testbed, "true", "--partition=short", "--time=3")


def test_a_testbed_beside_another_is_another_and_leaves_nothing(
    testbed: Testbed, make_testbed: MakeTestbed
) -> None:
    other = make_testbed(nodes=2, accounting=False)
    assert other.network != testbed.network
    assert other.run("srun", "hostname") == f"{other.name}-1\n"
    assert not testbed.answers("scontrol", "show", "node", f"{other.name}-1")
    slot = other.network
    submit(other, "setsid sleep 600 & sleep 600")
    until(lambda: "mix" in other.states().values(), what="the job runs")
    assert traces(other.layout, slot)
    other.down()
    assert traces(other.layout, slot) == []
    assert set(testbed.states().values()) == {"idle"}


def traces(layout: Layout, network: Network) -> list[str]:
    """What there is of a testbed on this machine: folders, links, mounts, processes, also jobs'."""
    folders = [layout.folder, *cgroups.of_testbed(layout.name)]
    found = [str(folder) for folder in folders if folder.exists()]
    found += [link for link in psutil.net_if_addrs() if link == network.uplink]
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    found += [mount for mount in mounts if f"{layout.folder}/" in mount]
    for process in psutil.process_iter(["cmdline", "environ"]):
        environment = process.info["environ"] or {}
        named = any(f"{layout.folder}/" in word for word in process.info["cmdline"] or [])
        marks = (environment.get(MARK), environment.get("SLURM_CONF"))
        if named or str(layout.folder) in marks or str(layout.conf) in marks:
            found.append(str(process))
    return found


def test_up_cleans_what_a_killed_up_left(spare_name: str) -> None:
    testbed = Testbed(spare_name)
    words = [sys.executable, "-m", "slurm.testbed", "up", "--name", spare_name]
    killed = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE)
    until(lambda: f"{spare_name}-2" in testbed.processes.alive(), every_s=0.01, what="two nodes")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert "mariadbd" in testbed.processes.alive()
    done = command("up", "--name", spare_name, "--nodes", "1", "--no-accounting")
    assert done.returncode == 0, done.stderr
    assert "cleaning what is left" in done.stderr
    assert testbed.states() == {f"{spare_name}-1": "idle"}
    assert "mariadbd" not in testbed.processes.alive()


def test_up_that_fails_shows_the_guilty_log_and_leaves_nothing(
    spare_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = config.render

    def with_a_slip(name: str, *rest: object) -> str:
        text = render(name, *rest)  # type: ignore[arg-type]
        return text + "SchedulerTipe=sched/backfill\n" if name == "slurm.conf" else text

    monkeypatch.setattr(config, "render", with_a_slip)
    broken = Testbed(spare_name)
    with pytest.raises(TestbedError, match=r"slurmctld ended\n.*slurmctld.log(.|\n)*SchedulerTipe"):
        broken.up(Settings(nodes=1, accounting=False))
    assert not broken.folder.exists()
    assert broken.processes.alive() == []


def test_what_cannot_be_done_is_one_line_and_exit_status_2(testbed: Testbed) -> None:
    node = testbed.nodes[0].name
    for words, line in [
        (("up", "--name", testbed.name), "found it up, expected it down"),
        (("down", "--name", "test-nobody"), "expected a testbed that is up"),
        (("boot", "nobody", "--name", testbed.name), f"found 'nobody', expected one of {node}"),
        (("start-controller", "--name", testbed.name), "found its controller running"),
        (("up", "--name", "Large"), "--name: found 'Large', expected at most 16"),
    ]:
        done = command(*words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert line in done.stderr


def test_env_is_a_line_for_eval(testbed: Testbed) -> None:
    said = command("env", "--name", testbed.name).stdout
    done = subprocess.run(["bash", "-c", f"{said} sinfo -h -o %D"], capture_output=True, text=True)
    assert done.stdout.split() == ["4"]


def test_a_machine_without_usable_cgroups_is_known_by_its_files(tmp_path: Path) -> None:
    assert cgroups.why_not(tmp_path) == "there is no freezer cgroup"
    for controller in ("freezer", "memory", "cpuacct"):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "cgroup.procs").touch()
    assert cgroups.why_not(tmp_path) is None
    (tmp_path / "cgroup.controllers").touch()
    assert cgroups.why_not(tmp_path) == "this machine has cgroup version 2 alone"


@pytest.mark.parametrize("kind", ["cgroup2", "tmpfs"])
def test_a_testbed_works_where_cgroups_are_of_version_2_or_not_there(
    kind: str, spare_name: str
) -> None:
    script = f'mount -t {kind} {kind} /sys/fs/cgroup; exec "$@"'
    alone = ["unshare", "--mount", "bash", "-euc", script, "-"]
    done = command("up", "--name", spare_name, "--nodes=1", "--no-accounting", before=alone)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("xtl: no cgroups (")
    testbed = Testbed(spare_name)
    assert testbed.run("srun", "hostname") == f"{spare_name}-1\n"
    assert cgroups.of_testbed(spare_name) == []


def test_a_slurm_of_the_machine_is_noticed(tmp_path: Path) -> None:
    conf = tmp_path / "slurm.conf"
    assert packages.configured({}, (conf,)) is None
    assert packages.configured({"SLURM_CONF": "/a/slurm.conf"}, ()) == "SLURM_CONF=/a/slurm.conf"
    conf.touch()
    assert packages.configured({}, (conf,)) == str(conf)


def test_a_testbed_is_no_slurm_of_the_machine(testbed: Testbed) -> None:
    assert packages.configured({"SLURM_CONF": str(testbed.conf)}, ()) is None


@pytest.mark.parametrize("name", ["", "1st", "Demo", "a_b", "a-", "a" * 17, "../a"])
def test_a_name_that_cannot_be_a_host_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="--name: found"):
        Layout(name)


def test_high_preempts_low_which_is_warned_in_time_and_runs_again(trouble: Trouble) -> None:
    wait_for(trouble.testbed, trouble.jobs["high 1"], "COMPLETED")
    assert wait_for(trouble.testbed, trouble.jobs["low"], "RUNNING")["Restarts"] == "1"
    until(lambda: trouble.said("low").count("began") == 2, what="it runs again")
    warnings = [line for line in trouble.said("low") if line.startswith("warned")]
    (end,) = until(lambda: trouble.ends("low", "PREEMPTED"), what="its end in the accounting")
    assert end - int(warnings[0].split()[1]) >= trouble.testbed.settings.grace_s


def test_high_preempts_harsh_without_grace(trouble: Trouble) -> None:
    high = wait_for(trouble.testbed, trouble.jobs["high 2"], "COMPLETED")
    assert wait_for(trouble.testbed, trouble.jobs["harsh"], "RUNNING")["Restarts"] == "1"
    (end,) = until(lambda: trouble.ends("harsh", "PREEMPTED"), what="its end in the accounting")
    assert end - datetime.fromisoformat(high["SubmitTime"]).timestamp() <= 3


def test_a_node_without_power_fails_its_job_which_runs_again_on_another(trouble: Trouble) -> None:
    job = trouble.jobs["powerless"]
    until(lambda: facts(trouble.testbed, job)["Restarts"] == "1", what="it is requeued")
    wait_for(trouble.testbed, job, "RUNNING")
    until(lambda: len(trouble.said("powerless")) == 2, what="it runs again")
    first, second = trouble.said("powerless")
    assert first != second
    assert until(lambda: trouble.ends("powerless", "NODE_FAIL"), what="its end in the accounting")
    assert not trouble.testbed.node(first).powered
    assert trouble.testbed.states()[first] == "down*"
    trouble.testbed.node(first).boot()
    until(lambda: trouble.testbed.states()[first] == "idle", what="the node is back")


def test_a_node_that_is_plugged_in_again_is_used_again(trouble: Trouble) -> None:
    node = trouble.testbed.nodes[2]
    node.plug()
    until(lambda: trouble.testbed.states()[node.name] == "idle", what="it is idle")
    assert trouble.testbed.run("srun", f"--nodelist={node.name}", "hostname") == f"{node.name}\n"
