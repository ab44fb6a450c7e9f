"""One shard's evidence, history, loss and logs, as `xtl status --why` and `--logs` show them."""

from __future__ import annotations

import math
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from jobs import tails, why
from jobs.spark import sparkline
from jobs.watching import Picture, watch
from tests.launch.records import attempt, claim, failed, finished, stopped
from tests.tracking.conftest import empty_home
from xtl.launch.logs import tails as ends_of_logs
from xtl.launch.records import Attempt, End, Failure, Heartbeat, Submission
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State, states
from xtl.launch.store import Store
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard
from xtl.tracking.curve import join, read_losses
from xtl.tracking.run import RunIdentity, Tracker

__all__ = ["empty_home"]  # for every test here: W&B's service and variables end with it

ROOT_LINE = Failure(
    cls="code", line="KeyError: 'answers'", file="submissions/a/submitit/7_1_log.err:12", rank=1,
    facts=("Slurm: FAILED, exit 1:0",),
)  # fmt: skip
ECHO = Failure(cls="communication", line="connection closed by peer", rank=0)


@pytest.fixture
def shard(plan: Plan) -> Shard:
    return next(entry for entry in plan.shards.values() if entry.stage == "target")


@pytest.fixture
def evidence() -> Evidence:
    """A second attempt failed; two ranks and the scheduler said so."""
    tries = (attempt(1, stopped(40)), attempt(2, failed("communication")))
    beat = Heartbeat(attempt=2, time=time.time() - 180, step=64, total=128, metric=3.5)
    sight = Sight("gone", "FAILED", node="n-3.cluster", job="812_4")
    noted = (ECHO, ROOT_LINE)
    return Evidence(attempts=tries, noted=noted, heartbeat=beat, job="gone", sight=sight)


def shown(store: Store, shard: Shard, plan: Plan, own: Evidence, width: int = 80) -> str:
    said = StringIO()
    console = Console(file=said, width=width, highlight=False)
    why.show(console, store, shard, states(plan, {shard.id: own})[shard.id], own)
    return said.getvalue()


def test_why_tells_the_root_line_and_every_voice(
    tmp_path: Path, shard: Shard, plan: Plan, evidence: Evidence
) -> None:
    text = shown(Store(tmp_path), shard, plan, evidence)
    assert max(map(len, text.splitlines())) <= 80
    head, _, voices = text.partition("\nevidence\n")
    assert head.splitlines()[0] == shard.name
    assert "failed: code" in head
    assert "KeyError: 'answers'" in head
    assert "7_1_log.err:12" in head
    assert "rank 0: communication: connection closed by peer" in voices
    assert "rank 1: code: KeyError: 'answers'" in voices
    assert "Slurm: FAILED, exit 1:0" in voices
    assert "the scheduler now: job 812_4: FAILED" in voices
    assert "node: n-3" in voices
    assert "last heartbeat 3m ago: step 64 of 128, loss 3.5" in voices


def test_why_says_what_will_be_done(
    tmp_path: Path, shard: Shard, plan: Plan, evidence: Evidence
) -> None:
    state = states(plan, {shard.id: evidence})[shard.id]
    assert state.outlook
    text = " ".join(shown(Store(tmp_path), shard, plan, evidence).split())
    assert f"then: {state.outlook}" in text


def test_every_attempt_is_a_line(
    tmp_path: Path, shard: Shard, plan: Plan, evidence: Evidence
) -> None:
    lines = shown(Store(tmp_path), shard, plan, evidence).partition("\nattempts\n")[2].splitlines()
    assert len(lines) == 2
    assert lines[0].split()[0] == "1"
    assert "micro-batch 8  40 steps  preempted: asked to stop" in lines[0]
    assert "code: KeyError" in lines[1]


@pytest.mark.parametrize(
    ("state", "end", "ended"),
    [("running", None, "running"), ("lost", None, "lost"), ("done", finished(), "done")],
)
def test_an_attempt_that_did_not_fail_says_how_it_is(
    state: str, end: End | None, ended: str, tmp_path: Path
) -> None:
    own = Evidence(attempts=(attempt(1, end),))
    found = why.history(Store(tmp_path), "a", own, State(state))  # type: ignore[arg-type]
    assert [(entry.ended, entry.cls) for entry in found] == [(ended, "")]


# -- the loss ---------------------------------------------------------------------------------
def log(folder: Path, shard: str, number: int, rows: dict[int, float]) -> None:
    identity = RunIdentity(sweep="s", stage="target", name="n", shard=shard, attempt=number)
    with Tracker(folder, identity, {}) as tracker:
        for step, loss in rows.items():
            tracker.log(step, {"train/loss": loss, "train/norm": 1.0})


@pytest.mark.slow
def test_the_loss_is_read_of_all_attempts_of_the_shard(
    tmp_path: Path, shard: Shard, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    log(tmp_path, shard.id, 1, {1: 5.0, 2: 4.0, 3: 9.0})
    time.sleep(1.1)  # W&B names folders by the second
    log(tmp_path, shard.id, 2, {3: 2.0, 4: 3.0})
    log(tmp_path, "another", 1, {1: 7.0})
    assert read_losses(tmp_path, shard.id) == [(1, 5.0), (2, 4.0), (3, 2.0), (4, 3.0)]
    text = shown(Store(tmp_path), shard, plan, Evidence(attempts=(attempt(1, finished()),)))
    assert "█▆▁▃" in text
    assert "first 5, last 3 (step 4), least 2 (step 3)" in text


def test_without_a_run_there_is_no_loss(tmp_path: Path) -> None:
    assert read_losses(tmp_path, "a") == []


def test_a_later_attempt_counts_from_where_it_began() -> None:
    assert join([[(1, 1.0), (2, 2.0)], [], [(2, 5.0)]]) == [(1, 1.0), (2, 5.0)]


def test_a_sparkline_is_as_wide_as_asked_and_marks_what_is_no_number() -> None:
    assert sparkline([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 80) == "▁▂▃▄▅▆▇█"
    assert len(sparkline([float(index % 7) for index in range(1000)], 78)) == 78
    assert sparkline([1.0, math.nan, 2.0, math.inf], 80) == "▁×█×"
    assert sparkline([3.0, 3.0], 80) == "▁▁"
    assert sparkline([], 80) == ""


# -- the logs ---------------------------------------------------------------------------------
@pytest.fixture
def logged(tmp_path: Path) -> Store:
    """Two ranks of a local job and what they wrote."""
    store = Store(tmp_path)
    submission = Submission(
        name="a-1-1", sweep="s", cluster="local", shards=(("a", 1),), ranks=2, zero_stage=1,
        micro_batch=8, mirror="m", commit="", created=1.0,
    )  # fmt: skip
    store.submissions.write(submission)
    folder = store.submissions.folder("a-1-1") / "submitit"
    folder.mkdir()
    for rank in (0, 1):
        lines = [f"line {number} of {rank}" for number in range(1, 41)]
        (folder / f"7_{rank}_log.err").write_text("\n".join(lines))
        (folder / f"7_{rank}_log.out").touch()
    return store


def test_the_tails_of_all_ranks_with_the_numbers_of_their_lines(logged: Store) -> None:
    found = ends_of_logs(logged, Attempt(claim=claim("a", 1, job="7"), end=None), 2)
    data = tails.as_data(logged, found, None)["logs"]
    assert [(log["rank"], log["first"], log["lines"]) for log in data] == [
        (rank, 39, [f"line 39 of {rank}", f"line 40 of {rank}"]) for rank in (0, 1)
    ]
    said = StringIO()
    tails.show(Console(file=said, width=80, highlight=False), logged, found, None)
    lines = said.getvalue().splitlines()
    assert lines[0] == "rank 0, submissions/a-1-1/submitit/7_0_log.err:39"
    assert lines[-1] == "  line 40 of 1"


def test_a_page_around_the_root_line(logged: Store) -> None:
    where = "submissions/a-1-1/submitit/7_1_log.err:5"
    found = tails.page(logged, ROOT_LINE.model_copy(update={"file": where}))
    assert found
    assert (found.first, found.root, found.lines[0]) == (1, 5, "line 1 of 1")
    assert len(found.lines) == 15
    said = StringIO()
    tails.show(Console(file=said, width=80, highlight=False), logged, [], found)
    assert ">     5 line 5 of 1" in said.getvalue()


@pytest.mark.parametrize("file", ["", "rank 1 of a local job", "nowhere.err:5"])
def test_evidence_that_stands_in_no_log_has_no_page(logged: Store, file: str) -> None:
    assert tails.page(logged, ROOT_LINE.model_copy(update={"file": file})) is None


# -- watching ---------------------------------------------------------------------------------
@pytest.mark.parametrize("terminal", [True, False])
def test_watching_ends_when_nothing_moves(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.watching._EVERY_S", 0.0)
    pictures = iter([Picture(Text(f"look {n}"), moves=n < 3) for n in range(1, 9)])
    said = StringIO()
    watch(Console(file=said, width=80, force_terminal=terminal), lambda: next(pictures))
    text = said.getvalue()
    assert "look 4" not in text
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == int(terminal)
    assert "look 1" in text
    assert "look 3" in text.rpartition("\x1b[?1049l")[2]
