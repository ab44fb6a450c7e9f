"""Profiles: this machine's jobs at once, a cluster's keys, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.errors import UserError
from xtl.launch import profile as module
from xtl.launch.profile import (
    PROFILES,
    LocalProfile,
    Profile,
    SlurmProfile,
    parse_profile,
    read_profile,
)

CLUSTER = """
cluster: slurm
partition: gpu
gpus_per_node: 4
cpus_per_rank: 8
memory_per_rank_gib: 60
time: {intermediate: 12:00:00, target: 1-06:00:01, evaluate: 30}
device_tflops: 100
start_seconds: 30
"""


def local(cores: int, gpus: int, monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.setattr(module, "cores", lambda: cores)
    monkeypatch.setattr(module, "gpus", lambda: gpus)
    return read_profile("local")


def slurm(more: str = "") -> SlurmProfile:
    found = parse_profile(CLUSTER + more, "p.yaml")
    assert isinstance(found, SlurmProfile)
    return found


def refusal(more: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_profile(CLUSTER + more, "p.yaml")
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_without_gpus_a_slot_is_a_core_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = local(8, 0, monkeypatch)
    assert [profile.slots_for(ranks) for ranks in (1, 2, 3, 16)] == [8, 4, 2, 1]


def test_with_gpus_a_slot_is_a_gpu_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = local(64, 4, monkeypatch)
    assert [profile.slots_for(ranks) for ranks in (1, 2, 8)] == [4, 2, 1]


def test_a_slot_never_has_fewer_cores_than_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local(2, 4, monkeypatch).slots_for(1) == 2


def test_slots_that_a_profile_names_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local(8, 4, monkeypatch).model_copy(update={"slots": 7}).slots_for(2) == 7


def test_rates_stand_in_the_profile_alone(tmp_path: Path) -> None:
    """No second set of figures in the code: a profile that lacks one is refused."""
    fields = Profile.model_fields
    assert fields["device_tflops"].is_required()
    assert fields["start_seconds"].is_required()
    path = tmp_path / "p.yaml"
    path.write_text("cluster: local\nstart_seconds: 1\n")
    with pytest.raises(UserError, match="device_tflops"):
        read_profile(str(path))


@pytest.mark.parametrize("name", [path.stem for path in PROFILES.glob("*.yaml")])
def test_a_profile_that_comes_with_xtl_is_valid(name: str) -> None:
    kind = LocalProfile if name == "local" else SlurmProfile
    assert isinstance(read_profile(name), kind)


def test_times_are_clocks_or_minutes_and_begun_minutes_count() -> None:
    """12:00:00 without quotes is a number in YAML 1.1, and never taken for one here."""
    time = slurm().time
    assert (time.intermediate, time.target, time.evaluate) == (720, 1801, 30)


@pytest.mark.parametrize("time", ["90:00", "0", "00:00:00", "-5", "1.5", "soon", "true", "1:2:3"])
def test_any_other_time_is_refused(time: str) -> None:
    line = refusal(f"reconcile: {{time: {time}}}")
    assert "reconcile.time" in line
    assert "HH:MM:SS" in line


def test_a_rank_is_a_gpu_unless_the_profile_says_fewer() -> None:
    assert slurm().ranks == 4
    assert slurm("ranks_per_node: 2").ranks == 2
    assert "at most gpus_per_node (4)" in refusal("ranks_per_node: 5")


def test_without_gpus_the_profile_says_how_many_ranks_a_node_has() -> None:
    assert "ranks_per_node: found nothing" in refusal("gpus_per_node: 0")
    assert slurm("gpus_per_node: 0\nranks_per_node: 3").ranks == 3


@pytest.mark.parametrize(
    ("ranks", "shape"), [(1, (1, 1)), (4, (1, 4)), (6, (2, 3)), (8, (2, 4)), (5, (5, 1))]
)
def test_a_job_takes_as_few_nodes_as_hold_its_ranks_in_equal_shares(
    ranks: int, shape: tuple[int, int]
) -> None:
    assert slurm().nodes_for(ranks) == shape


def test_the_warning_comes_before_the_shortest_time_is_over() -> None:
    assert "less than the shortest time (1800 s)" in refusal("signal_seconds: 1800")


def test_numbers_in_the_environment_are_text() -> None:
    profile = slurm("environment: {OMP_NUM_THREADS: 8, NCCL_DEBUG: WARN}")
    assert profile.environment == {"OMP_NUM_THREADS": "8", "NCCL_DEBUG": "WARN"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("gpu_memory: 80", "gpu_memory: found an unknown key, expected one that docs/profiles.md"),
        ("limits: {jobs: 3}", "limits.jobs: found an unknown key"),
        ("limits: {at_once: 0}", "limits.at_once: found 0"),
        ("partition: a b", "partition: found a b, expected one word"),
        ('account: "a\\n#SBATCH --wrap=x"', "account: found"),
        ('setup: ["module load cuda\\nrm x"]', "setup.0: found"),
        ("environment: {A-B: 1}", "environment: expected names of environment variables"),
        ("environment: {A: yes}", "environment.A: found True"),
        ("mail: {user: me, type: SOMETIMES}", "mail.type: found 'SOMETIMES'"),
        ("accounting: maybe", "accounting: found 'maybe'"),
        ("poll_seconds: .inf", "poll_seconds: found inf"),
        ("cluster: pbs", "cluster: found 'pbs', expected local or slurm"),
    ],
)
def test_what_does_not_fit_is_said_with_its_key(more: str, said: str) -> None:
    assert refusal(more).startswith(f"p.yaml: {said}")


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(UserError, match="found list, expected a mapping"):
        parse_profile("- cluster: local\n", "p.yaml")


def test_folders_may_name_variables_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    monkeypatch.delenv("XTL_MIRROR", raising=False)
    profile = slurm("root: $SCRATCH/xtl\nmirror: $NOWHERE_SET/mirror")
    assert profile.folder_for("demo") == Path("/scratch/me/xtl/demo")
    with pytest.raises(UserError, match="mirror: found \\$NOWHERE_SET/mirror"):
        profile.mirror_of(Path("runs/demo"))


def test_a_settled_profile_means_the_same_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    for name in ("XTL_MIRROR", "XTL_CACHE"):
        monkeypatch.delenv(name, raising=False)
    text = "root: ../runs\nmirror: mirror\ncache: $SCRATCH/cache\nslurm_conf: etc/slurm.conf"
    settled = slurm(text).settled(tmp_path)
    monkeypatch.delenv("SCRATCH")
    monkeypatch.chdir("/")
    assert settled.folder_for("demo") == tmp_path / "../runs/demo"
    assert settled.mirror_of(Path("runs/demo")) == tmp_path / "mirror"
    assert settled.cache_folder() == Path("/scratch/me/cache")
    assert settled.slurm_conf == str(tmp_path / "etc/slurm.conf")
    assert settled.settled(Path("/elsewhere")) == settled


def test_what_the_environment_says_of_folders_settles_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XTL_MIRROR", "shared")
    monkeypatch.setenv("XTL_CACHE", "~/downloads")
    settled = slurm("mirror: /ours\nroot: $NOWHERE_SET/xtl").settled(tmp_path)
    for name in ("XTL_MIRROR", "XTL_CACHE"):
        monkeypatch.delenv(name)
    assert settled.mirror_of(Path("runs/demo")) == tmp_path / "shared"
    assert settled.cache_folder() == Path("~/downloads").expanduser()
    with pytest.raises(UserError, match="root: found \\$NOWHERE_SET/xtl"):
        settled.folder_for("demo")


def test_what_a_profile_does_not_say_is_not_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XTL_MIRROR", "XTL_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert slurm().settled(tmp_path) == slurm()


def test_without_a_root_a_sweep_lives_in_runs() -> None:
    assert slurm().folder_for("demo") == Path("runs/demo")


def test_jobs_at_once_are_those_of_the_limits() -> None:
    assert slurm("limits: {at_once: 12, submitted: 40}").slots_for(2) == 12
    assert slurm("limits: {submitted: 40}").slots_for(2) == 40
