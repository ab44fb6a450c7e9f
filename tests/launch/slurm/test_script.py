"""The sbatch script: what it asks for, by the profile, and what it runs."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xtl.launch.profile import SlurmProfile
from xtl.launch.slurm.script import Script, render

SRUN = """#!/bin/bash
until [ "$1" = sh ]; do shift; done
if [ ! "$BATCH_NODE" ]; then
    case "$TMPDIR" in /*/own/*) rm -r "${TMPDIR%/own/*}/own";; esac
    TMPDIR=/tmp
fi
exec "$@"
"""
RANK = 'echo "$TMPDIR"; echo "$A" "$1"'

pytestmark = pytest.mark.usefixtures("_srun")

SCRIPT = Script(
    name="xtl-demo-1a2b-0001",
    tasks=12,
    ranks=4,
    minutes=90,
    command="env PYTHONPATH=/s/code/c python -m xtl.launch.task /s batch xtl-demo-1a2b-0001",
    root=Path("/s"),
    logs=Path("/s/batches/xtl-demo-1a2b-0001/logs"),
)


@pytest.fixture
def _srun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit looks for it before it writes a script."""
    path = tmp_path / "bin" / "srun"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")


def profile(**changes: Any) -> SlurmProfile:
    fields = {
        "cluster": "slurm",
        "partition": "gpu",
        "gpus_per_node": 4,
        "cpus_per_rank": 8,
        "memory_per_rank_gib": 60,
        "time": {"intermediate": 90, "target": 90, "evaluate": 90},
        "device_tflops": 100,
        "start_seconds": 60,
    }
    return SlurmProfile.model_validate(fields | changes)


def ran(text: str, folder: Path, **variables: str) -> tuple[str, str]:
    """The first line that a script's rank says, and the rest."""
    done = subprocess.run(
        ["bash"], input=text, env=os.environ | variables, cwd=folder, capture_output=True, text=True
    )
    place, _, rest = done.stdout.partition("\n")
    return place, rest


def asked(script: Script = SCRIPT, **changes: Any) -> dict[str, str]:
    """The #SBATCH lines."""
    lines = render(script, profile(**changes)).splitlines()
    options = (line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH"))
    return {name: value for name, _, value in (option.partition("=") for option in options)}


def test_a_rank_has_a_gpu_its_cores_and_its_memory() -> None:
    found = asked()
    assert (found["nodes"], found["ntasks-per-node"], found["gpus-per-node"]) == ("1", "4", "4")
    assert (found["cpus-per-task"], found["mem"]) == ("8", f"{4 * 60 * 1024}M")
    assert (found["time"], found["partition"]) == ("90", "gpu")


def test_ranks_are_laid_over_as_few_nodes_as_hold_them_in_equal_shares() -> None:
    found = asked(replace(SCRIPT, ranks=6))
    assert (found["nodes"], found["ntasks-per-node"], found["gpus-per-node"]) == ("2", "3", "3")


def test_without_gpus_none_are_asked_for() -> None:
    assert "gpus-per-node" not in asked(gpus_per_node=0, ranks_per_node=1)


def test_a_type_of_gpu_is_asked_for_by_name() -> None:
    assert asked(gpu_type="a100")["gpus-per-node"] == "a100:4"


def test_even_one_job_is_an_array_so_that_every_id_has_an_index() -> None:
    assert asked(replace(SCRIPT, tasks=1))["array"] == "0-0%1"
    assert asked()["array"] == "0-11%12"


def test_the_profile_throttles_an_array() -> None:
    assert asked(limits={"at_once": 3})["array"] == "0-11%3"


def test_a_job_that_waits_for_parents_is_ended_when_they_fail() -> None:
    found = asked(replace(SCRIPT, after="afterok:7_1"))
    assert found["dependency"] == "afterok:7_1"
    assert found["kill-on-invalid-dep"] == "yes"
    assert "kill-on-invalid-dep" not in asked()


def test_jobs_can_be_requeued_and_are_warned_before_their_limit() -> None:
    found = asked(signal_seconds=45)
    assert "requeue" in found
    assert found["signal"] == "USR2@45"
    assert found["open-mode"] == "append", "a requeued job goes on in its log"


def test_words_of_the_profile_are_passed_on() -> None:
    found = asked(
        account="lab", qos="long", constraint="a100", exclude="n7", reservation="course",
        mail={"user": "a@b.org", "type": "END,FAIL"},
    )  # fmt: skip
    for option, value in {
        "account": "lab", "qos": "long", "constraint": "a100", "exclude": "n7",
        "reservation": "course", "mail-user": "a@b.org", "mail-type": "END,FAIL",
    }.items():  # fmt: skip
        assert found[option] == value


def test_set_up_lines_come_before_ours_and_the_environment_wins() -> None:
    text = render(SCRIPT, profile(setup=["module load cuda"], environment={"OMP_NUM_THREADS": "2"}))
    lines = text.splitlines()
    assert lines.index("module load cuda") < lines.index("export HF_HUB_OFFLINE=1")
    assert "export OMP_NUM_THREADS=2" in lines
    assert "export OMP_NUM_THREADS=8" not in lines


def test_every_rank_makes_its_nodes_folder_for_temporary_files(tmp_path: Path) -> None:
    """srun here does to a rank what Slurm does where the folder's parent is missing."""
    (tmp_path / "bin" / "srun").write_text(SRUN)
    script = replace(SCRIPT, command=f"env A='b c' sh -c {shlex.quote(RANK)} sh 'd  e'")
    text = render(script, profile(local=f"{tmp_path}/own/$SLURM_JOB_ID"))
    (first, _), (other, said) = (
        ran(text, tmp_path, SLURM_JOB_ID="7", BATCH_NODE=first_node) for first_node in ("1", "")
    )
    assert first == other == f"{tmp_path}/own/7"
    assert said == "b c d  e\n"
    assert (tmp_path / "own" / "7").is_dir()


def test_a_rank_that_cannot_make_the_folder_goes_on_in_the_one_that_slurm_gave(
    tmp_path: Path,
) -> None:
    (tmp_path / "bin" / "srun").write_text(SRUN)
    script = replace(SCRIPT, command=f"env A=b sh -c {shlex.quote(RANK)} sh c")
    place, said = ran(render(script, profile(local="/dev/null/own")), tmp_path, BATCH_NODE="")
    assert (place, said) == ("/tmp", "b c\n")


def test_every_rank_runs_the_command_and_one_that_fails_ends_the_others() -> None:
    line = next(line for line in render(SCRIPT, profile()).splitlines() if "srun" in line)
    assert line.endswith(SCRIPT.command)
    assert "--kill-on-bad-exit=1" in line
    assert "--cpus-per-task=8" in line


def test_the_job_that_reconciles_has_one_core_and_no_gpu() -> None:
    alone = replace(SCRIPT, alone=True, after="afterany:7?afterany:9", begin="now+15minutes")
    found = asked(alone, reconcile={"partition": "cpu", "memory_gib": 1.5})
    assert (found["cpus-per-task"], found["mem"], found["partition"]) == ("1", "1536M", "cpu")
    assert found["begin"] == "now+15minutes"
    assert not {"gpus-per-node", "array", "kill-on-invalid-dep"} & found.keys()
    assert "srun" not in render(alone, profile())


GPU_NODES: dict[str, Any] = {
    "constraint": "a100",
    "qos": "gpu",
    "reservation": "course",
    "exclude": "gpu07",
}


def test_in_a_partition_of_its_own_a_reconcile_has_nothing_of_what_chooses_gpu_nodes() -> None:
    alone = replace(SCRIPT, alone=True)
    found = asked(alone, account="lab", reconcile={"partition": "cpu"}, **GPU_NODES)
    assert not GPU_NODES.keys() & found.keys()
    assert (found["partition"], found["account"]) == ("cpu", "lab")
    own = {"partition": "cpu", "account": "service", "qos": "small"}
    found = asked(alone, account="lab", reconcile=own, **GPU_NODES)
    assert {key: found[key] for key in own} == own
    assert asked(reconcile=own, **GPU_NODES).items() >= GPU_NODES.items(), "nor others what is its"


def test_in_the_profiles_partition_a_reconcile_has_all_but_the_features_of_nodes() -> None:
    alone = replace(SCRIPT, alone=True)
    found = asked(alone, account="lab", **GPU_NODES)
    assert found["account"] == "lab"
    assert {key: found.get(key) for key in GPU_NODES} == GPU_NODES | {"constraint": None}
    assert asked(alone, reconcile={"qos": "small"}, **GPU_NODES)["qos"] == "small"


def test_the_job_that_reconciles_takes_folders_from_the_sweeps_profile_alone() -> None:
    """A relative XTL_MIRROR would mean another folder where it runs."""
    lines = render(replace(SCRIPT, alone=True), profile()).splitlines()
    assert "unset XTL_MIRROR XTL_CACHE" in lines
    assert "unset XTL_MIRROR XTL_CACHE" not in render(SCRIPT, profile())
