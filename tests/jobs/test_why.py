"""One shard's evidence, history, loss and logs, as `xtl status --why` and `--logs` show them."""

from __future__ import annotations

import math
import shlex
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from jobs import tails, why
from jobs.ids import beginnings
from jobs.prospects import Drive, prospect
from jobs.spark import sparkline
from jobs.tries import history
from jobs.watching import Picture, watch
from tests.launch.records import attempt, claim, failed, finished, result, stopped
from tests.tracking.conftest import empty_home
from xtl.launch.logs import innermost_frame
from xtl.launch.logs import tails as ends_of_logs
from xtl.launch.records import Attempt, End, Failure, FailureClass, Heartbeat, Pause, Submission
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


NOBODY = Drive()


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
    story(store, shard, plan, own).show(console)
    return said.getvalue()


def story(store: Store, shard: Shard, plan: Plan, own: Evidence, by: Drive = NOBODY) -> why.Story:
    """Of a sweep of which nothing else has been run, or will be."""
    return why.tell(store, plan, shard.id, states(plan, {shard.id: own}), own, by)


def test_why_tells_the_root_line_and_every_voice(
    tmp_path: Path, shard: Shard, plan: Plan, evidence: Evidence
) -> None:
    text = shown(Store(tmp_path), shard, plan, evidence).partition("\nnext\n")[0]
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
    assert "last heartbeat 3m ago: step 64 of 128, loss 3.5 of its last" in voices


def test_why_says_what_will_be_done(
    tmp_path: Path, shard: Shard, plan: Plan, evidence: Evidence
) -> None:
    state = states(plan, {shard.id: evidence})[shard.id]
    assert state.outlook
    text = " ".join(shown(Store(tmp_path), shard, plan, evidence).split())
    assert f"then: {state.outlook}" in text


def test_why_every_attempt_ended_is_told_whole_and_where_that_stands(
    tmp_path: Path, shard: Shard, plan: Plan, evidence: Evidence
) -> None:
    store, words = Store(tmp_path), " ".join(["the", "connection", "was", "lost,"] * 9)
    place = "submissions/a/submitit/6_0_log.err:7"
    early = Failure(cls="communication", line=words, file=place)
    failed_so = End(status="failed", failure=early, finished=200.0)
    first = attempt(1, failed_so)
    own = replace(evidence, attempts=(first, evidence.attempts[1]))
    text = shown(store, shard, plan, own)
    assert "…" not in text
    lines = text.partition("\nattempts\n")[2].partition("\n\n")[0].splitlines()
    assert lines[0].split()[0] == "1"
    assert lines[0].endswith("micro-batch 8  0 steps  communication")
    last = lines.index(f"     {place}")
    assert " ".join(" ".join(lines[1:last]).split()) == words
    assert all(line.split()[-1] in words.split() for line in lines[1:last]), "wrapped at words"
    assert [line.split()[-1] for line in lines[last + 1 :]] == ["code", "'answers'", ROOT_LINE.file]


@pytest.mark.parametrize(
    ("state", "end", "ended"),
    [("running", None, "running"), ("lost", None, "lost"), ("done", finished(), "done")],
)
def test_an_attempt_that_did_not_fail_says_how_it_is(
    state: str, end: End | None, ended: str, tmp_path: Path
) -> None:
    own = Evidence(attempts=(attempt(1, end),))
    found = history(Store(tmp_path), "a", own, State(state))  # type: ignore[arg-type]
    assert [(entry.ended, entry.cls) for entry in found] == [(ended, "")]


# -- what becomes of it -----------------------------------------------------------------------
REPEATED = Pause(cause="repeated", line="KeyError: x", shards={"a": 1, "b": 1}, since=1.0)
FULL = Pause(cause="storage", line="no space left on device", since=1.0)
JOB = Sight("alive", "PENDING", job="900")
MISSING = Evidence()
TO_RETRY = Evidence(attempts=(attempt(1, failed("communication")),), job="gone")
PARDONED = Evidence(attempts=(attempt(2, failed("code")),), job="gone", pardoned=2)


@pytest.mark.parametrize(
    ("own", "by", "said"),
    [
        (MISSING, NOBODY, "nobody submits it: `make sweep` goes on"),
        (MISSING, Drive(led=True), "submitted by the launcher that runs, in its turn"),
        (MISSING, Drive(job=JOB), "submitted by job 900, which goes on by itself, in its turn"),
        (MISSING, Drive(job=Sight(asked=False)), "Slurm does not answer"),
        (MISSING, Drive(led=True, pause=REPEATED), "not submitted, as the sweep is stopped: 2 sh"),
        (MISSING, Drive(pause=REPEATED), "not submitted, as the sweep is stopped: 2 shards"),
        (MISSING, Drive(led=True, pause=FULL), "not submitted, as the sweep is paused, and goes"),
        (MISSING, Drive(pause=FULL), "nobody submits it"),
        (PARDONED, NOBODY, "nobody submits it: `make sweep` goes on"),
        (TO_RETRY, NOBODY, "(1 of 2 further tries); but nobody submits it: `make sweep` goes on"),
        (TO_RETRY, Drive(led=True), "tried again by itself (1 of 2 further tries)"),
        (TO_RETRY, Drive(pause=REPEATED), "; the sweep is stopped: 2 shards failed alike"),
    ],
)
def test_what_will_be_done_is_told_by_who_is_there_to_do_it(
    own: Evidence, by: Drive, said: str, plan: Plan
) -> None:
    shard = next(entry for entry in plan.shards.values() if not entry.parents)
    words = prospect(plan, shard.id, states(plan, {shard.id: own}), by)
    assert said in words
    assert by.is_there or by.pause or words.endswith("goes on")


def test_what_waits_for_its_parent_says_so(plan: Plan) -> None:
    shard = next(entry for entry in plan.shards.values() if entry.parents)
    parent = plan.shards[shard.parents[0]].name
    words = prospect(plan, shard.id, states(plan, {}), Drive(led=True))
    assert words == f"submitted by the launcher that runs, after {parent}"


def test_what_was_resubmitted_since_is_no_news(
    tmp_path: Path, plan: Plan, evidence: Evidence
) -> None:
    shard = next(entry for entry in plan.shards.values() if not entry.parents)
    text = shown(Store(tmp_path), shard, plan, replace(evidence, pardoned=2))
    assert text.splitlines()[2:4] == ["missing", "then: nobody submits it: `make sweep` goes on"]
    assert "evidence of attempt 2: resubmitted since, it no longer counts" in text
    assert "resubmit --" not in text


@pytest.mark.parametrize(
    ("cls", "verbs"),
    [
        ("code", ["status --logs", "show --replay", "resubmit --shard --with"]),
        ("configuration", ["status --logs", "show --replay", "resubmit --shard"]),
        ("diverged", ["status --logs", "show --replay"]),
        ("communication", ["status --logs", "show --replay", "sweep"]),
    ],
)
def test_it_ends_with_commands_that_say_what_to_do_next(
    cls: FailureClass, verbs: list[str], tmp_path: Path, shard: Shard, plan: Plan
) -> None:
    own = Evidence(attempts=(attempt(1, failed(cls)),), job="gone")
    done = Evidence(result=result(shard.parents[0]), artifact="d") if shard.parents else Evidence()
    evidence = {shard.id: own} | dict.fromkeys(shard.parents, done)
    told = why.tell(Store(tmp_path / "a b"), plan, shard.id, states(plan, evidence), own, NOBODY)
    commands = [shlex.split(step.command) for step in told.steps]
    assert all(words[0] == "xtl" and f"{tmp_path}/a b" in words for words in commands)
    said = [" ".join([words[1], *(w for w in words[2:] if w[:2] == "--")]) for words in commands]
    assert [entry.replace(" --root", "") for entry in said] == verbs
    short = beginnings(plan)[shard.id]
    assert all(short in words for words in commands if words[1] != "sweep")


def test_a_job_that_has_gone_on_to_other_shards_is_none_of_its_own(
    tmp_path: Path, shard: Shard, plan: Plan
) -> None:
    sight = Sight("alive", "RUNNING", node="n-1")
    own = Evidence(attempts=(attempt(1, failed("code")),), job="alive", sight=sight)
    assert "the scheduler now" not in shown(Store(tmp_path), shard, plan, own)
    begun = replace(own, attempts=(attempt(1),))
    assert "the scheduler now: RUNNING" in shown(Store(tmp_path), shard, plan, begun)


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
    assert "loss of single updates" in text
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


def test_the_frame_that_raised_stands_beside_the_root_line(
    logged: Store, shard: Shard, plan: Plan
) -> None:
    frame = 'File "{}/code/abc/xtl/tasks/span.py", line 7, in look'
    lines = [
        "steps:  10%\rsteps: 100%",
        "Traceback (most recent call last):",
        '  File "/usr/lib/python3.11/runpy.py", line 1, in main',
        f"  {frame.format(logged.root.resolve())}",
        "    return rows['answers']",
        "           ~~~~^^^^^^^^^^^",
        "KeyError: 'answers'",
        "later",
    ]
    where = "submissions/a-1-1/submitit/7_1_log.err"
    (logged.root / where).write_text("\n".join(lines))
    failure = ROOT_LINE.model_copy(update={"file": f"{where}:7"})
    end = End(status="failed", failure=failure, finished=200.0)
    own = Evidence(attempts=(attempt(1, end),), job="gone")
    found = story(logged, shard, plan, own)
    assert found.data()["frame"] == 'File "code/abc/xtl/tasks/span.py", line 7, in look'
    head = shown(logged, shard, plan, own).splitlines()
    place = head.index("  KeyError: 'answers'")
    assert head[place + 1 : place + 3] == [f"  {found.data()['frame']}", f"  {failure.file}"]
    assert found.page
    assert found.page.lines[0] == "steps: 100%", "as lines are numbered in evidence"


@pytest.mark.parametrize("lines", [["KeyError: 'a'"], ["oh", '  File "a"', "E"], []])
def test_what_ends_no_traceback_has_no_frame(lines: list[str]) -> None:
    assert innermost_frame(lines) == ""


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
