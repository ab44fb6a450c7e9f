"""The client where nothing answers. tests/slurm/test_client.py has it on a real cluster."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from xtl.launch.slurm import client as module
from xtl.launch.slurm.client import Client, configured, has_accounting
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError


@pytest.fixture
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of no cluster, whatever this one is, with an empty folder for its programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    for name in ("SLURM_CONF", "SLURM_CONF_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "CONFIGURATIONS", (tmp_path / "slurm.conf",))
    return programs


def put(programs: Path, name: str, text: str) -> None:
    path = programs / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_machine_without_sbatch_is_of_no_cluster(
    no_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", "/some/slurm.conf")
    assert not configured()


def test_packages_without_a_configuration_make_no_cluster(no_cluster: Path) -> None:
    put(no_cluster, "sbatch", "exit 1")
    put(no_cluster, "scontrol", "echo fatal: Could not establish a configuration source; exit 1")
    began = time.monotonic()
    assert not configured()
    assert time.monotonic() - began < 1


def test_a_probe_that_hangs_finds_no_cluster(
    no_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(no_cluster, "sbatch", "exit 1")
    put(no_cluster, "scontrol", "exec /bin/sleep 30")
    monkeypatch.setattr(module, "PROBE_S", 0.1)
    assert not configured()


def test_a_configuration_makes_a_cluster(
    no_cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(no_cluster, "sbatch", "exit 1")
    put(no_cluster, "scontrol", "exit 1")
    monkeypatch.setenv("SLURM_CONF", "/some/slurm.conf")
    assert configured()
    monkeypatch.delenv("SLURM_CONF")
    (tmp_path / "slurm.conf").touch()
    assert configured()


def test_a_configless_cluster_is_one(no_cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(no_cluster, "sbatch", "exit 1")
    put(no_cluster, "scontrol", 'echo "ClusterName = $SLURM_CONF_SERVER"')
    monkeypatch.setenv("SLURM_CONF_SERVER", "controller:6817")
    assert configured()
    assert Client().config() == {"ClusterName": "controller:6817"}


def test_a_controller_that_serves_the_configuration_makes_a_cluster(no_cluster: Path) -> None:
    put(no_cluster, "sbatch", "exit 1")
    put(no_cluster, "scontrol", "echo ClusterName = big")
    assert configured()


def test_a_command_that_is_missing_is_silence(no_cluster: Path) -> None:
    with pytest.raises(SlurmSilentError, match="squeue: No such file"):
        Client().queue(["a"])


def test_a_configuration_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    """Slurm's own commands look for it for a minute."""
    began = time.monotonic()
    with pytest.raises(
        SlurmSilentError, match=r"squeue: found no .*nowhere\.conf, which slurm_conf names"
    ):
        Client(str(tmp_path / "nowhere.conf")).queue(["a"])
    assert time.monotonic() - began < 1


def test_a_command_that_hangs_is_silence(no_cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(no_cluster, "squeue", "exec /bin/sleep 30")
    monkeypatch.setattr(module, "ANSWER_S", 0.1)
    with pytest.raises(SlurmSilentError, match="squeue: no answer within"):
        Client().queue(["a"])


SILENT, REFUSED = SlurmSilentError, SlurmRefusedError


@pytest.mark.parametrize(
    ("said", "kind", "line"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", SILENT,
         "squeue: slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
        ("squeue: error: Socket timed out on send/recv operation", SILENT,
         "squeue: Socket timed out on send/recv operation"),
        ("squeue: error: slurm_persist_conn_open: failed to open persistent connection\\n"
         "squeue: error: Problem talking to the database: Connection refused", SILENT,
         "squeue: Problem talking to the database: Connection refused"),
        ("squeue: error: AssocMaxSubmitJobLimit\\nsqueue: error: Job violates policy", REFUSED,
         "squeue: AssocMaxSubmitJobLimit; Job violates policy"),
        ("squeue: error: Invalid user: nobody", REFUSED, "squeue: Invalid user: nobody"),
        ("sacctmgr: error: Unable to connect to database", SILENT,
         "squeue: Unable to connect to database"),
        ("Slurm backup controller in standby mode", SILENT,
         "squeue: Slurm backup controller in standby mode"),
        ("Zero Bytes were transmitted or received", SILENT,
         "squeue: Zero Bytes were transmitted or received"),
        ("squeue: error: Munge encode failed: Failed to access /run/munge/munge.socket.2: "
         "No such file or directory\\nsqueue: error: Invalid authentication credential", SILENT,
         "squeue: Invalid authentication credential"),
        ("slurm_load_jobs error: Protocol authentication error", SILENT,
         "squeue: slurm_load_jobs error: Protocol authentication error"),
        ("squeue: error: This site wants two-factor authentication", REFUSED,
         "squeue: This site wants two-factor authentication"),
        ("", SILENT, "squeue: it failed without a word"),
    ],
)  # fmt: skip
def test_silence_is_told_from_a_refusal(
    said: str, kind: type[Exception], line: str, no_cluster: Path
) -> None:
    put(no_cluster, "squeue", f"printf '{said}' >&2; exit 1")
    with pytest.raises(kind) as caught:
        Client().queue(["a"])
    assert str(caught.value) == line


def test_nobody_is_asked_about_no_jobs(no_cluster: Path) -> None:
    client = Client()
    assert client.queue([]) == []
    assert client.accounts([], 0.0) == []
    client.cancel([])


def test_the_users_defaults_and_a_jobs_own_variables_reach_no_command(
    no_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (
        "SQUEUE_PARTITION",
        "SBATCH_TIMELIMIT",
        "SLURM_JOB_ID",
        "SLURM_CLUSTERS",
        "SACCT_FORMAT",
    )
    for name in names:
        monkeypatch.setenv(name, "x")
    kept = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_SACK_KEY", "SLURM_SACK_JWKS")
    for name in kept:
        monkeypatch.setenv(name, f"/theirs/{name}")
    environment = Client().environment
    assert not set(names) & set(environment)
    assert {name: environment[name] for name in kept} == {name: f"/theirs/{name}" for name in kept}
    assert Client("/ours").environment["SLURM_CONF"] == "/ours"
    assert "SLURM_TIME_FORMAT" not in environment  # jobs inherit it


@pytest.mark.parametrize(
    ("kind", "there"),
    [("accounting_storage/slurmdbd", True), ("accounting_storage/none", False), ("(null)", False)],
)
def test_a_cluster_has_accounting_where_it_has_a_database(kind: str, there: bool) -> None:
    assert has_accounting({"AccountingStorageType": kind}) == there
    assert not has_accounting({})


@pytest.mark.parametrize("how", ["kill -9 $$", "sh -c 'kill -9 $$'; exit $?"])
def test_a_command_that_a_signal_ended_has_refused_nothing(no_cluster: Path, how: str) -> None:
    """Slurm may have heard it."""
    put(no_cluster, "sbatch", f"PATH=/bin; echo sbatch: error: on its way >&2; {how}")
    with pytest.raises(SlurmSilentError, match="sbatch: signal 9 ended it"):
        Client().submit(no_cluster / "script.sh")


@pytest.mark.parametrize(
    ("said", "job"), [("12", "12"), ("12;big", "12"), ("Welcome to big\\n12;big", "12")]
)
def test_the_id_of_a_job_is_read_from_what_sbatch_says(
    no_cluster: Path, said: str, job: str
) -> None:
    put(no_cluster, "sbatch", f"printf '{said}\\n'")
    assert Client().submit(no_cluster / "script.sh") == job


def test_an_sbatch_that_gives_no_id_may_have_been_heard(no_cluster: Path) -> None:
    put(no_cluster, "sbatch", "exit 0")
    with pytest.raises(SlurmSilentError, match="it gave no job id"):
        Client().submit(no_cluster / "script.sh")
