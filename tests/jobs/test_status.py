"""What `xtl status` shows on 80 columns, and what it says of who goes on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import rmtree

import pytest
from rich.console import Console

from jobs.choosing import one_shard
from jobs.ids import beginnings
from jobs.main import main
from jobs.options import DEMO, print_json, session
from jobs.overview import View, _data, _goes_on, _head, _moves, drive
from jobs.prospects import Drive
from jobs.table import Rows, below, clock, node, short, starting, table
from tests.bench import Bench
from tests.conftest import lock_for
from tests.launch.records import attempt, claim, failed, finished, stopped
from xtl.launch.observe import Observation
from xtl.launch.records import Attempt, End, ExcludedNode, Heartbeat, Pause, Submission
from xtl.launch.session import Session
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State, StateName, states
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan

FREE = "it is next, and waits for free nodes"
CHAIN = "lookup-pool 25% epochs s1"
NODE = "gpu-a100-node-{:03}.cluster"
SINCE_S = 10_000.0


def running(node: str, job: str = "812_0") -> Sight:
    return Sight("alive", "RUNNING", node=node, job=job)


def pending(job: str, reason: str = FREE, stuck: bool = False) -> Evidence:
    sight = Sight("alive", "PENDING", reason=reason, job=job, stuck=stuck)
    return Evidence(waiting=True, sight=sight)


def begun(sight: Sight, ended: bool = False) -> Evidence:
    """An attempt that is at step 12345 of 98765, ten seconds ago."""
    now = time.time()
    own = claim("a", 1).model_copy(update={"started": now - SINCE_S, "host": sight.node})
    beat = Heartbeat(attempt=1, time=now - 10, step=12345, total=98765, metric=0.12345)
    end = failed("code") if ended else None
    attempts = (Attempt(claim=own, end=end),)
    return Evidence(attempts=attempts, heartbeat=beat, job=sight.liveness, sight=sight)


@pytest.fixture
def demo_plan(demo: Manifest) -> Plan:
    """With names of up to 53 characters."""
    return make_plan(demo, lock_for(demo))


@pytest.fixture
def evidence(demo_plan: Plan) -> dict[str, Evidence]:
    """By shard: one runs, one comes after it in its job, two wait for nodes, one failed."""
    by_name = {
        CHAIN: begun(running(NODE.format(17))),
        f"{CHAIN} → lookup-qa": Evidence(waiting=True, sight=running(NODE.format(17))),
        f"{CHAIN} → lookup-qa · lookup-pairs": pending("813_0"),
        f"{CHAIN} → lookup-qa · lookup-qa": pending("813_1"),
        "0 s1 → lookup-qa": begun(Sight("gone", "FAILED", node=NODE.format(3)), ended=True),
    }
    return {shard.id: by_name.get(shard.name, Evidence()) for shard in demo_plan.shards.values()}


def shown(plan: Plan, evidence: dict[str, Evidence], width: int) -> list[str]:
    """The lines of what is not missing."""
    known = {key: s for key, s in states(plan, evidence).items() if s.name != "missing"}
    console = Console(file=StringIO(), width=width, record=True, highlight=False)
    rows = Rows(plan, known, evidence)
    console.print(table(rows, width), *below(rows), sep="\n")
    return console.export_text().splitlines()


def column(lines: list[str], heading: str) -> str:
    """All that stands in a column whose cells begin below its heading, without spaces."""
    head = next(line for line in lines if line.startswith("id "))
    start = head.index(heading)
    end = next((m.start() for m in re.finditer(r"\S+", head) if m.start() > start), None)
    rows = lines[1 : next(i for i, line in enumerate(lines) if "wait" in line)]
    return "".join("".join(line[start:end].split()) for line in rows)


# -- the table --------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [80, 120])
def test_nothing_of_a_row_is_lost(
    demo_plan: Plan, evidence: dict[str, Evidence], width: int
) -> None:
    lines = shown(demo_plan, evidence, width)
    assert all(len(line) <= width for line in lines)
    known = states(demo_plan, evidence)
    names = [s.name for s in demo_plan.shards.values() if known[s.id].name != "missing"]
    assert column(lines, "shard") == "".join("".join(names).split())
    words = column(lines, "state").replace(",", "").replace("inturn", "")
    assert words == "failedblockedblockedrunningqueuedqueuedqueued"
    assert sum("12345/98765" in line for line in lines) == 2
    assert sum("0.123" in line for line in lines) == 2


def test_a_row_on_80_columns_says_where_how_far_and_how_long(
    demo_plan: Plan, evidence: dict[str, Evidence]
) -> None:
    row = next(line for line in shown(demo_plan, evidence, 80) if "running" in line)
    cells = row.partition("running")[2].split()
    assert cells[:3] == ["1", "gpu-…-node-017", "12345/98765"]
    assert re.fullmatch(r"19h2\dm", cells[3])  # 86,420 steps at 12,345 in 9,990 s
    assert cells[4:] == ["0.123", "10s"]


def test_a_failed_shard_has_no_time_left(demo_plan: Plan, evidence: dict[str, Evidence]) -> None:
    row = next(line for line in shown(demo_plan, evidence, 80) if " failed " in line)
    assert row.split()[-2:] == ["12345/98765", "0.123"]


def test_a_column_without_anything_in_it_is_left_out(demo_plan: Plan) -> None:
    found = dict.fromkeys(demo_plan.shards, pending("1_0"))
    assert shown(demo_plan, found, 80)[0].split() == ["id", "shard", "state"]


def test_a_queued_row_takes_no_more_lines_than_its_name(demo_plan: Plan) -> None:
    found = dict.fromkeys(demo_plan.shards, pending("1_0"))
    lines = shown(demo_plan, found, 80)
    assert len(lines) == 1 + len(demo_plan.shards) + 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("n-1", "n-1"),
        ("n-[1-2]", "n-[1-2]"),
        ("n-1.cluster.org", "n-1"),
        ("a.cluster,b.cluster", "a,b"),
        ("gpu-node-[01-04].cluster", "gpu-node-[01-04]"),
        ("gpu-a100-node-017.cluster", "gpu-…00-node-017"),
        ("10.213.4.1", "10.213.4.1"),
    ],
)
def test_a_node_is_named_without_its_domain_and_by_its_end(name: str, said: str) -> None:
    assert short(name, 16) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(45, "45s"), (720, "12m"), (12_000, "3h20m"), (180_000, "2d02h")],
)
def test_times_are_narrow(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def test_a_row_begins_with_an_id_that_every_verb_takes(
    demo_plan: Plan, evidence: dict[str, Evidence]
) -> None:
    known = states(demo_plan, evidence)
    for line in shown(demo_plan, evidence, 80):
        if " running " in line or " failed " in line:
            beginning = line.split()[0]
            assert len(beginning) == 4
            found = demo_plan.shards[one_shard(demo_plan, known, beginning)]
            assert found.name.startswith(" ".join(line.split()[1:3]))


def test_ids_are_told_as_far_as_it_takes_to_tell_them_apart(demo_plan: Plan) -> None:
    shards = list(demo_plan.shards.values())
    alike = {"abcdef1": shards[0], "abcdef2": shards[1], "123": shards[2]}
    assert beginnings(replace(demo_plan, shards=alike)) == {key: key for key in alike}
    assert {len(each) for each in beginnings(demo_plan).values()} == {4}
    assert beginnings(replace(demo_plan, locked=False)) == {}


def test_what_is_yet_to_be_run_is_on_no_node(
    demo_plan: Plan, evidence: dict[str, Evidence]
) -> None:
    rows = [line for line in shown(demo_plan, evidence, 80) if " queued" in line]
    assert len(rows) == 3
    assert not [line for line in rows if "node" in line]
    again = begun(Sight("alive", "PENDING", node=NODE.format(3)))
    assert node(State("queued"), again) == node(State("missing"), again) == ""
    assert node(State("running"), again) == NODE.format(3)


# -- below the table --------------------------------------------------------------------------
def test_why_shards_wait_is_said_once_a_reason(
    demo_plan: Plan, evidence: dict[str, Evidence]
) -> None:
    lines = shown(demo_plan, evidence, 80)
    assert f"2 shards wait, each for its job: {FREE}" in lines
    assert "1 shard waits in turn, behind others of a job that runs" in lines
    assert "2 shards blocked by 0 s1 → lookup-qa" in lines
    assert "Slurm's jobs: 812, 813" in lines
    assert "0 s1 → lookup-qa: code: why" in lines
    assert sum(FREE in line for line in lines) == 1


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (pending("1_0", "its owner holds it", stuck=True), "(for ever, unless somebody acts)"),
        (pending("1_0", ""), "for its job, which is in the queue"),
        (Evidence(waiting=True, sight=Sight()), "for its job, of which there is no word yet"),
        (Evidence(sight=running("n", "1_0")), "for its job, which goes back into the queue"),
    ],
)
def test_a_shard_that_waits_says_for_what(plan: Plan, own: Evidence, said: str) -> None:
    shard = next(iter(plan.shards))
    line = below(Rows(plan, {shard: State("queued")}, {shard: own}))[0].plain
    assert line.startswith("1 shard waits for its job")
    assert line.endswith(said)


def a_job(plan: Plan, *own: Evidence) -> Observation:
    """A job that runs, with a shard for each evidence."""
    keys = list(plan.shards)[: len(own)]
    submission = Submission(
        name="a-1-1", sweep="s", cluster="slurm", shards=tuple((key, 1) for key in keys), ranks=1,
        zero_stage=1, micro_batch=8, mirror="m", commit="", created=1.0,
    )  # fmt: skip
    sights = {"a-1-1": running("n", "1_0")}
    return Observation(dict(zip(keys, own, strict=True)), [submission], [], sights)


WAITS = Evidence(waiting=True, sight=running("n", "1_0"))


def test_a_shard_whose_job_has_just_begun_waits_behind_nobody(plan: Plan) -> None:
    look = a_job(plan, WAITS, WAITS)
    first, second = look.evidence
    assert starting(look) == {first}
    known = {first: State("queued"), second: State("queued")}
    rows = Rows(plan, known, look.evidence, starting(look))
    lines = [line.plain for line in below(rows)]
    assert "1 shard waits for its job, which has begun and is starting it" in lines
    assert "1 shard waits in turn, behind others of a job that runs" in lines
    console = Console(file=StringIO(), width=80, record=True)
    console.print(table(rows, 80))
    words = console.export_text()
    assert (words.count("starting"), words.count("in turn")) == (1, 1)


@pytest.mark.parametrize("end", [None, stopped(3)])
def test_behind_one_that_its_job_has_in_hand_nothing_starts(plan: Plan, end: End | None) -> None:
    in_hand = Evidence(attempts=(attempt(1, end),), job="alive", sight=running("n", "1_0"))
    assert starting(a_job(plan, in_hand, WAITS)) == frozenset()


def test_between_two_shards_of_a_job_the_next_one_starts(plan: Plan) -> None:
    over = Evidence(attempts=(attempt(1, finished()),), job="alive", sight=running("n", "1_0"))
    look = a_job(plan, over, WAITS)
    assert starting(look) == {list(look.evidence)[1]}


# -- who goes on ------------------------------------------------------------------------------
@pytest.fixture
def on_slurm(demo: Manifest, tmp_path: Path) -> Session:
    """The demo with a lock, begun on a cluster, which nothing here asks."""
    opened = session(DEMO, tmp_path, "slurm", "testbed")
    opened.store.write_lock(lock_for(demo))
    opened.store.batches.reserve("xtl-demo")
    return opened


JOB = Sight("alive", "PENDING", reason="it waits for a job that it depends on", job="900")


def test_the_job_that_goes_on_is_named_with_what_it_waits_for(on_slurm: Session) -> None:
    line = _goes_on(on_slurm, {"a": State("running")}, JOB)
    assert line == "job 900 goes on by itself (PENDING: it waits for a job that it depends on)"
    assert _data(on_slurm, {}, {}, JOB)["unattended"] == {
        "job": "900", "state": "PENDING", "waits_for": JOB.reason,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["missing", "running", "queued", "unknown", "lost", "stale"])
def test_with_work_left_and_no_job_nobody_goes_on(on_slurm: Session, name: StateName) -> None:
    found = {"a": State("done"), "b": State(name)}
    assert _goes_on(on_slurm, found, None).startswith("nobody goes on by itself")
    assert _data(on_slurm, {}, {}, None)["unattended"] is None


@pytest.mark.parametrize(
    "state", [State("done"), State("blocked", parent="a"), State("failed", retry=False)]
)
def test_with_nothing_left_to_do_nobody_is_missed(on_slurm: Session, state: State) -> None:
    assert _goes_on(on_slurm, {"a": state}, None) == ""


def test_a_launcher_that_leads_is_enough(on_slurm: Session) -> None:
    lease = {"host": "another", "pid": 1, "started": 0.0, "time": time.time()}
    (on_slurm.store.root / "launcher.json").write_text(json.dumps(lease))
    assert _goes_on(on_slurm, {"a": State("missing")}, None) == ""


def test_who_leads_is_who_takes_the_next_step(
    on_slurm: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.overview.unattended", lambda _: JOB)
    pause = Pause(cause="storage", line="no space left", since=1.0)
    on_slurm.store.pauses.begin(pause)
    assert drive(on_slurm) == Drive(job=JOB, pause=pause)
    lease = {"host": "another", "pid": 1, "started": 0.0, "time": time.time()}
    (on_slurm.store.root / "launcher.json").write_text(json.dumps(lease))
    assert drive(on_slurm) == Drive(led=True, pause=pause)


def test_of_a_sweep_that_never_began_nobody_is_missed(on_slurm: Session) -> None:
    rmtree(on_slurm.store.root / "batches")
    assert _goes_on(on_slurm, {"a": State("missing")}, None) == ""


def test_without_slurm_there_is_nothing_to_say_of_it(tmp_path: Path) -> None:
    here = session(DEMO, tmp_path, "local", None)
    here.store.batches.reserve("xtl-demo")
    assert _goes_on(here, {"a": State("missing")}, None) == ""


# -- a part of it -----------------------------------------------------------------------------
@pytest.mark.slow
def test_only_what_is_bad_can_be_asked_for(trivial: Bench) -> None:
    """A child of a failed one is blocked, the rest is done."""
    assert trivial.run("sweep").returncode == 0
    opened = session(trivial.folder / "tiny.yaml", trivial.root, "local", None)
    shard = next(entry for entry in opened.plan.shards.values() if entry.stage == "target")
    opened.store.result_path(shard.id).unlink()
    for path in (opened.store.root / "shards" / shard.id / "attempts").glob("*/end.json"):
        path.write_text(failed("code").model_dump_json())
    view = View(opened, every=True, failed=True)
    assert {entry["state"] for entry in view.data()["shards"]} <= {"failed", "blocked"}
    assert [e["name"] for e in view.data()["shards"] if e["state"] == "failed"] == [shard.name]
    everything = View(opened, every=True, failed=False).data()["shards"]
    assert len(everything) == len(opened.plan.shards) > len(view.data()["shards"])


def test_a_pause_and_nodes_that_are_left_out_stand_on_top(on_slurm: Session) -> None:
    now = time.time()
    pause = Pause(cause="repeated", line="KeyError: x", shards={"a": 1, "b": 1, "c": 1}, since=now)
    on_slurm.store.pauses.begin(pause)
    node = ExcludedNode(node="n-3", line="Xid 79", shard="a", attempt=1, since=now, until=now + 60)
    on_slurm.store.nodes.exclude(node)
    lines = [str(part) for part in _head(on_slurm, {"a": State("failed")}, JOB)]
    assert "3 shards failed alike (KeyError: x)" in lines[1]
    assert "n-3 (`xtl nodes` tells why)" in lines[2]
    data = _data(on_slurm, {}, {}, JOB)
    assert (data["paused"]["cause"], data["nodes_left_out"][0]["node"]) == ("repeated", "n-3")


# -- watching ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "job", "moves"),
    [("missing", JOB, True), ("missing", None, False), ("done", JOB, False),
     ("missing", Sight(asked=False), False)],
)  # fmt: skip
def test_without_a_job_a_sweep_moves_where_somebody_will_submit(
    on_slurm: Session, state: StateName, job: Sight | None, moves: bool
) -> None:
    nothing = Observation({}, [], [], {})
    assert _moves(on_slurm, nothing, {"a": State(state)}, job) == moves


def test_who_goes_on_is_asked_as_seldom_as_slurm_is(
    on_slurm: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Session] = []
    monkeypatch.setattr("jobs.overview.unattended", asked.append)
    view = View(on_slurm, every=False, failed=False)
    for _ in range(3):
        view.picture(80)
    assert len(asked) == 1


# -- what is asked for ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lines", "5"], "status: found --lines alone, expected --logs SHARD beside it"),
        (["--attempt", "1", "--why", "a"], "status: found --attempt alone, expected --logs SHARD"),
        (["--logs", "a", "--attempt", "0"], "invalid value for '--attempt'"),
    ],
)
def test_an_option_without_its_use_is_refused_in_a_line(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["xtl", "status", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    found = capsys.readouterr()
    assert (ended.value.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert said in found.err


def test_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"loss": [(1, float("nan"))], "least": float("inf"), "last": -float("inf")})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"loss": [[1, "NaN"]], "least": "Infinity", "last": "-Infinity"}


def test_status_waits_for_no_import_that_it_does_not_need() -> None:
    """Each of these would be a good part of the second in which it answers."""
    program = (
        "import sys; from jobs.main import make_app; make_app(['status']); "
        "print([name for name in ('submitit', 'asyncio', 'ssl', 'jinja2', 'jobs.score') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
