"""What the doors say and when they refuse: plan, status and the live picture, without a job."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from jobs.live import Pace, Progress, fraction
from jobs.options import DEMO, session
from jobs.plan import as_data, show
from tests.conftest import lock_for
from tests.jobs.test_input import xtl
from tests.launch.records import claim
from xtl.errors import UserError
from xtl.launch.launcher import Look
from xtl.launch.observe import Observation
from xtl.launch.records import Attempt, Heartbeat
from xtl.launch.session import Session
from xtl.launch.states import Evidence, State

ROOT = Path(__file__).parents[2]


@pytest.fixture
def opened(tmp_path: Path) -> Session:
    """The demo with a lock, nothing run, on two cores."""
    found = session(DEMO, tmp_path, "local", None)
    found.store.write_lock(lock_for(found.manifest))
    return found


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has sbatch."""
    path = tmp_path / "bin" / "sbatch"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")


# -- a machine with Slurm ---------------------------------------------------------------------
@pytest.mark.usefixtures("slurm")
def test_what_submits_nothing_opens_a_sweep_where_there_is_slurm(tmp_path: Path) -> None:
    assert session(DEMO, tmp_path, "auto", None).plan.shards


# -- plan -------------------------------------------------------------------------------------
def test_plan_says_what_sharing_and_bundling_save(opened: Session) -> None:
    data = as_data(opened)
    saved = data["jobs_saved"]
    assert saved["sharing"] == data["shared"] == opened.plan.wanted - len(opened.plan.shards)
    assert saved["bundling"] == len(opened.plan.shards) - data["jobs"] > 0
    said = StringIO()
    show(opened, Console(file=said, width=80))
    assert f"sharing saves {saved['sharing']}." in said.getvalue()
    assert f"saves {saved['bundling']}." in said.getvalue()


def test_plan_shows_files_and_folders(opened: Session) -> None:
    forecast = as_data(opened)["forecast"]
    said = StringIO()
    show(opened, Console(file=said, width=80))
    assert f"{forecast['inodes']:,} files" in said.getvalue()


def test_plan_says_how_many_trainings_select_their_checkpoint(
    opened: Session, tmp_path: Path
) -> None:
    assert as_data(opened)["selecting"] == {}
    data = yaml.safe_load(DEMO.read_text()) | {"sizes": [0, "6%"], "replicates": [1]}
    data["arms"] = [{"name": "epochs", "fixed": "epochs"}] + [
        {"name": by, "fixed": "epochs", "selection": {"evaluations": 4, "by": by} | keys}
        for by, keys in (("hold-out", {"rows": 64}), ("oracle", {}))
    ]
    (tmp_path / "selecting.yaml").write_text(yaml.safe_dump(data))
    selecting = session(tmp_path / "selecting.yaml", tmp_path, "local", None)
    assert as_data(selecting)["selecting"] == {"hold-out": 3, "oracle": 2}
    said = StringIO()
    show(selecting, Console(file=said, width=80))
    assert "3 by held-out rows, 2 with a look at the answers (no" in said.getvalue()


def test_plan_says_how_trainings_are_computed(opened: Session) -> None:
    engine = as_data(opened)["engine"]
    assert {"ranks", "precision", "deterministic", "zero_stage", "micro_batch"} < engine.keys()


def test_what_a_cpu_cannot_compute_is_refused_before_anything_is_shown(tmp_path: Path) -> None:
    data = yaml.safe_load(DEMO.read_text())
    data["engine"]["precision"] = "fp16"
    (tmp_path / "half.yaml").write_text(yaml.safe_dump(data))
    said = StringIO()
    with pytest.raises(UserError, match="precision: found fp16"):
        show(session(tmp_path / "half.yaml", tmp_path, "local", None), Console(file=said))
    assert said.getvalue() == ""


@pytest.mark.parametrize("verb", ["plan", "status"])
def test_verbs_that_change_nothing_have_a_dry_run_too(verb: str) -> None:
    plain, dry = (xtl(verb, "--json", *words) for words in ([], ["--dry-run"]))
    assert (plain.returncode, dry.returncode) == (0, 0), dry.stderr
    assert json.loads(plain.stdout) == json.loads(dry.stdout)


# -- the live picture -------------------------------------------------------------------------
def look(opened: Session, running: dict[str, Heartbeat], done: int = 0) -> Look:
    """The first `done` shards are done, those of `running` run since 100 s, nothing else does."""
    names = list(opened.plan.shards)
    states = {shard: State("done" if names.index(shard) < done else "missing") for shard in names}
    states |= {shard: State("running") for shard in running}
    evidence = {shard: Evidence() for shard in names}
    for shard, beat in running.items():
        own = claim(shard, beat.attempt).model_copy(update={"started": beat.time - 100})
        evidence[shard] = Evidence(attempts=(Attempt(claim=own, end=None),), heartbeat=beat)
    return Look(Observation(evidence, [], [], {}), states, 0, True, False)


def beat(step: int, total: int = 200, attempt: int = 1, later: float = 0) -> Heartbeat:
    when = time.time() + later
    return Heartbeat(attempt=attempt, time=when, step=step, total=total, metric=0.125)


def picture(opened: Session, progress: Progress, seen: Look) -> list[str]:
    console = Console(file=StringIO(), width=80, record=True)
    console.print(progress.picture(seen))
    return console.export_text().splitlines()


def longest(opened: Session) -> str:
    return max(opened.plan.shards.values(), key=lambda shard: len(shard.name)).id


def progress_of(opened: Session) -> Progress:
    return Progress(opened, Console(file=StringIO(), width=80))


def test_a_long_name_leaves_the_bar_within_80_columns(opened: Session) -> None:
    shard = longest(opened)
    assert len(opened.plan.shards[shard].name) > 45
    lines = picture(opened, progress_of(opened), look(opened, {shard: beat(1050, 2100)}))
    row = next(line for line in lines if "1050/2100" in line)
    assert all(len(line) <= 80 for line in lines)
    assert "━" * 8 in row
    assert "left" in row
    assert row.rstrip().endswith("loss 0.125")
    shown = "".join(re.split(r"[━╸╺]", line)[0] for line in lines[1:-1])
    assert "".join(shown.split()) == "".join(opened.plan.shards[shard].name.split())


def test_a_running_shard_says_how_long_it_has_to_go(opened: Session) -> None:
    """Half the steps in 100 s since the claim: 100 s to go."""
    shard = next(iter(opened.plan.shards))
    lines = picture(opened, progress_of(opened), look(opened, {shard: beat(100)}))
    assert any("100/200 2 min left" in line for line in lines)


def test_a_resumed_shard_is_judged_by_the_steps_that_it_made_itself(opened: Session) -> None:
    """It went on from step 100; ten steps in ten seconds: 90 s for the other 90."""
    shard, progress = next(iter(opened.plan.shards)), progress_of(opened)
    picture(opened, progress, look(opened, {shard: beat(100, attempt=2)}))
    seen = look(opened, {shard: beat(110, attempt=2, later=10)})
    lines = picture(opened, progress, seen)
    assert any(re.search(r"110/200 (8[89]|9[01]) s|110/200 2 min", line) for line in lines)


def test_before_the_first_step_nothing_is_promised() -> None:
    assert Pace(0.0, 5).left(Heartbeat(attempt=1, time=9.0, step=5, total=10)) is None
    assert Pace(0.0, 5).left(Heartbeat(attempt=1, time=10.0, step=7, total=10)) == 15.0


@pytest.mark.parametrize(
    ("state", "evidence", "share"),
    [
        ("done", Evidence(), 1.0),
        ("missing", Evidence(), 0.0),
        ("running", Evidence(), 0.0),
        ("running", Evidence(heartbeat=beat(50)), 0.25),
        ("failed", Evidence(heartbeat=beat(50)), 0.0),
    ],
)
def test_a_running_shard_counts_by_its_steps(state: str, evidence: Evidence, share: float) -> None:
    assert fraction(State(state), evidence) == share  # type: ignore[arg-type]


def test_the_time_left_shrinks_while_a_shard_runs(
    opened: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[float] = []

    def note(seconds: float) -> str:
        said.append(seconds)
        return ""

    monkeypatch.setattr("jobs.live.duration", note)
    shard, progress = next(iter(opened.plan.shards)), progress_of(opened)
    for step in (0, 100, 200):
        progress._time_left(look(opened, {shard: beat(step)}), 1000.0)
    left = said[::2]
    assert left[0] > left[1] > left[2] > 0


DOWN = "sbatch does not answer [slurmctld down]"


def said(opened: Session, *words: str) -> list[str]:
    """What a log file gets of looks in turn at which Slurm said that."""
    file = StringIO()
    progress = Progress(opened, Console(file=file, width=80))
    for word in words:
        progress.show(replace(look(opened, {}), said=word))
    return file.getvalue().splitlines()


def test_the_picture_says_what_slurm_has_against_it(opened: Session) -> None:
    assert not any(
        "Slurm" in line for line in picture(opened, progress_of(opened), look(opened, {}))
    )
    lines = picture(opened, progress_of(opened), replace(look(opened, {}), said=DOWN))
    assert lines[1] == f"Slurm: {DOWN}"


def test_a_log_says_what_slurm_has_against_it_when_that_changes(opened: Session) -> None:
    assert said(opened, "", "") == []
    assert said(opened, "", DOWN, DOWN, "the queue is full", "", "") == [
        f"Slurm: {DOWN}", "Slurm: the queue is full", "Slurm: no more of that",
    ]  # fmt: skip


def test_a_terminal_has_it_in_its_picture_alone(opened: Session) -> None:
    file = StringIO()
    with Progress(opened, Console(file=file, width=80, force_terminal=True)) as progress:
        progress.show(replace(look(opened, {}), said=DOWN))
        shown = progress._live.get_renderable()
    console = Console(file=StringIO(), width=80, record=True)
    console.print(shown)
    assert f"Slurm: {DOWN}" in console.export_text()
    assert "no more of that" not in file.getvalue()


def test_a_benchmark_finds_what_it_imports() -> None:
    """`make bench` runs files, which then see only their own folder."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    line = next(line for line in lines if '"$$script"; done' in line)
    assert "PYTHONPATH=. $(BIN)/python" in line
