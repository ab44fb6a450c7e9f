"""`xtl show`: what a shard is, and the command that runs it again. Replays: test_replay."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jobs.choosing import matches, one_shard
from jobs.main import main
from jobs.options import DEMO, session
from jobs.show import _replay, _salloc, replay_command, settings
from tests.bench import Bench
from tests.conftest import lock_for
from xtl.errors import UserError
from xtl.launch.records import Submission
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.sweep.plan import Plan

TRAINING = "lookup-pool 10% epochs s1"


# -- which shard a person means ---------------------------------------------------------------
def test_a_whole_name_is_that_shard_though_others_begin_with_it(plan: Plan) -> None:
    assert plan.shards[one_shard(plan, {}, TRAINING)].name == TRAINING
    assert plan.shards[one_shard(plan, {}, TRAINING.upper())].name == TRAINING


def test_an_id_may_be_cut_and_a_part_of_a_name_is_enough(plan: Plan) -> None:
    for shard in plan.shards.values():
        assert one_shard(plan, {}, shard.id) == shard.id
        assert one_shard(plan, {}, shard.id[:8]) == shard.id
    assert plan.shards[one_shard(plan, {}, "public")].name.startswith("public model")


def test_of_several_some_are_named_with_their_states(plan: Plan) -> None:
    known = dict.fromkeys(plan.shards, State("failed"))
    with pytest.raises(UserError) as caught:
        one_shard(plan, known, "lookup")
    line = str(caught.value)
    assert f"for {len(matches(plan, 'lookup'))} shards" in line
    assert line.count(", failed") == 4
    assert "\n" not in line


@pytest.mark.parametrize("text", ["zzz", "", " "])
def test_what_means_no_shard_is_refused(plan: Plan, text: str) -> None:
    with pytest.raises(UserError, match="found no shard"):
        one_shard(plan, {}, text)


# -- settings ---------------------------------------------------------------------------------
def test_settings_name_every_value_by_its_place(plan: Plan) -> None:
    shard = plan.shards[one_shard(plan, {}, TRAINING)]
    found = dict(settings(shard))
    assert found["parts.task"] == "lookup-pool"
    assert found["recipe.batch_size"] == str(shard.spec.model_dump()["recipe"]["batch_size"])
    evaluation = next(entry for entry in plan.shards.values() if entry.stage == "evaluate")
    languages = [language for language, _ in evaluation.spec.model_dump()["data"]]
    assert all(f"data.{language}.content" in dict(settings(evaluation)) for language in languages)


# -- the command ------------------------------------------------------------------------------
PROFILE = {
    "cluster": "slurm", "partition": "gpu", "account": "lab", "gpus_per_node": 4,
    "cpus_per_rank": 8, "memory_per_rank_gib": 32, "device_tflops": 100, "start_seconds": 30,
    "time": {"intermediate": 60, "target": 90, "evaluate": 30},
    "setup": ["echo 'a module'", "HERE=1"], "environment": {"TOKEN": "secret"},
}  # fmt: skip


@pytest.fixture
def on_slurm(tmp_path: Path) -> Session:
    """A sweep with a lock on a cluster that nothing here asks, and frozen code that only says how
    it was called."""
    (tmp_path / "gpu.yaml").write_text(yaml.safe_dump(PROFILE))
    opened = session(DEMO, tmp_path / "sweep", "slurm", str(tmp_path / "gpu.yaml"))
    opened.store.write_lock(lock_for(opened.manifest))
    code = tmp_path / "sweep" / "code" / "abc" / "xtl" / "launch"
    code.mkdir(parents=True)
    for folder in (code, code.parent):
        (folder / "__init__.py").touch()
    (code / "replay.py").write_text(
        "import os, sys\nprint(os.environ['PYTHONPATH'], *sys.argv[1:])"
    )
    return opened


SUBMISSION = Submission(
    name="a-1-1", sweep="demo", cluster="slurm", shards=(("a", 1),), ranks=2, zero_stage=1,
    micro_batch=8, mirror="mirror", code="code/abc", commit="", created=1.0,
)  # fmt: skip


def test_the_command_runs_the_frozen_code_after_the_profiles_setup(
    on_slurm: Session, tmp_path: Path
) -> None:
    command = replay_command(on_slurm, "a", SUBMISSION, tmp_path / "own folder", 2)
    assert "secret" not in command
    said = subprocess.run(
        ["sh", "-c", command], cwd="/", capture_output=True, text=True, check=True
    ).stdout
    root = tmp_path / "sweep"
    words = [f"{root} a --into {tmp_path}/own folder --attempt 2"]
    first, second = said.splitlines()
    assert first == "a module"
    assert second.split(" ", 1)[0].split(":")[0] == f"{root}/code/abc"
    assert second.split(" ", 1)[1:] == words
    assert not list(root.rglob("__pycache__"))


def test_nodes_are_asked_for_as_its_job_had_them(on_slurm: Session) -> None:
    shard = next(entry for entry in on_slurm.plan.shards.values() if entry.stage == "target")
    words = shlex.split(_salloc(on_slurm, SUBMISSION, shard) or "")
    assert words == [
        "salloc", "--partition=gpu", "--account=lab", "--nodes=1", "--ntasks-per-node=2",
        "--cpus-per-task=8", "--gpus-per-node=2", "--mem=65536M", "--time=90",
    ]  # fmt: skip


def test_code_that_cannot_replay_is_refused(on_slurm: Session) -> None:
    old = SUBMISSION.model_copy(update={"code": "code/older"})
    with pytest.raises(UserError, match=r"code/older: found no xtl\.launch\.replay"):
        replay_command(on_slurm, "a", old, None, None)


def test_a_shard_that_nobody_has_submitted_is_refused_by_its_name(on_slurm: Session) -> None:
    shard = next(iter(on_slurm.plan.shards.values()))
    with pytest.raises(UserError, match=f"^{re.escape(shard.name)}: found no job"):
        _replay(on_slurm, shard, None, None, json=False)


def test_attempts_are_counted_from_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["xtl", "show", "a", "--replay", "--attempt", "0"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "invalid value for '--attempt'" in capsys.readouterr().err


# -- the door ---------------------------------------------------------------------------------
@pytest.mark.slow
def test_show_tells_a_shards_family_result_and_files(swept: Bench) -> None:
    said = swept.run("show", "lookup-pool 64 epochs s1 → lookup-qa", "--json")
    data = json.loads(said.stdout)
    assert [each["name"] for each in data["parents"]] == ["lookup-pool 64 epochs s1"]
    assert len(data["children"]) == 2
    assert {each["state"] for each in (*data["parents"], *data["children"])} == {"done"}
    assert data["result"] == swept.results()[data["id"]]
    assert data["spec"]["updates"] == data["result"]["training"]["updates"] == 128
    assert all(Path(place).exists() for place in data["places"].values())
    assert [entry["ended"] for entry in data["attempts"]] == ["done"]
    shown = swept.run("show", data["id"][:6]).stdout
    assert max(map(len, shown.partition("\nfiles\n")[0].splitlines())) <= 80
    assert "child: lookup-pool 64 epochs s1 → lookup-qa · lookup-qa, done" in shown


@pytest.mark.slow
def test_without_a_shard_it_says_what_is_missing(fresh: Bench) -> None:
    done = fresh.run("show")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "xtl: show: found no SHARD, expected one, such as `xtl show 3f2a`\n"
