"""Which logs, and which part of them, are an attempt's, and the line of them that tells why.

`logs/`: what a real cluster's srun and slurmstepd (22.05) wrote of jobs that met a fate each, by
rank: a rank killed, one that raised while the other waited, out of memory, a segmentation fault, an
abort, a python that is not there, a time limit, a preemption, a person's scancel.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.records import claim
from xtl.launch import logs
from xtl.launch.logs import logs_of, mark, parts, root_line, root_line_of_job, tails
from xtl.launch.records import Attempt, Batch, Failure, Submission
from xtl.launch.store import Store

REAL = Path(__file__).parent / "logs"
SHARD, OTHER = "a" * 16, "b" * 16
NOW = "2026-11-23 03:41:28,739 "
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    1 / 0\n'
CLOSED = "RuntimeError: [gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def submit(store: Store, batch: str = "", index: int = 0) -> Submission:
    submission = Submission(
        name="first", sweep="small", cluster="slurm" if batch else "local", batch=batch, ranks=2,
        shards=((SHARD, 1), (OTHER, 1)), zero_stage=1, micro_batch=8, mirror="mirror", commit="",
        created=0.0,
    )  # fmt: skip
    store.submissions.write(submission)
    if batch:
        names = (*(f"other{number}" for number in range(index)), "first")
        store.batches.write(Batch(name=batch, submissions=names, created=0.0))
    return submission


def attempt(number: int = 1, shard: str = SHARD) -> Attempt:
    return Attempt(claim=claim(shard, number).model_copy(update={"submission": "first"}), end=None)


def begins(number: int = 1, shard: str = SHARD, node: str = "n1") -> str:
    return f"{NOW}{shard}: attempt {number} begins on {node}\n"


def write(store: Store, rank: int, text: str, stream: str = "err") -> Path:
    path = store.submissions.folder("first") / "submitit" / f"12_{rank}_log.{stream}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def root(store: Store, *ranks: str, told: bool = False) -> Failure | None:
    submit(store)
    for rank, text in enumerate(ranks):
        write(store, rank, begins() + text)
    return root_line(store, attempt(), told)


def test_a_local_jobs_logs_are_those_of_its_ranks_in_order(store: Store) -> None:
    submit(store)
    for rank, stream in ((10, "err"), (0, "out"), (0, "err"), (2, "err")):
        write(store, rank, "x\n", stream)
    (store.submissions.folder("first") / "submitit" / "12_submission.sh").write_text("x\n")
    assert [path.name for path in logs_of(store, attempt())] == [
        "12_0_log.err", "12_0_log.out", "12_2_log.err", "12_10_log.err"]  # fmt: skip


def test_of_an_arrays_logs_a_task_has_those_of_its_index(store: Store) -> None:
    submission = submit(store, "xtl-small-0001", index=1)
    folder = store.batches.folder("xtl-small-0001") / "logs"
    folder.mkdir()
    for name in ("7_0_0", "7_1_0", "7_1_1", "7_10_0", "7_11_1", "71_0_1"):
        (folder / f"{name}_log.err").write_text(f"{TRACEBACK}{name}: 1\n")
    assert [path.name for path in logs_of(store, attempt())] == ["7_1_0_log.err", "7_1_1_log.err"]
    found = root_line_of_job(store, submission)
    assert found is not None
    assert found.file == "batches/xtl-small-0001/logs/7_1_0_log.err:4"


def test_an_attempt_has_the_lines_from_its_mark_to_the_next_one(store: Store) -> None:
    submit(store)
    early = "imports\n" + begins(1, OTHER) + "of the other\n"
    write(store, 0, early + begins(1) + "first\n" + begins(2, node="n2") + "second\n")
    (first,), (second,) = parts(store, attempt(1)), parts(store, attempt(2))
    assert (first.first, first.node, first.lines[1:]) == (4, "n1", ("first",))
    assert (second.first, second.node, second.lines[1:]) == (6, "n2", ("second",))


def test_what_a_rank_logs_when_an_attempt_begins_is_its_mark(store: Store) -> None:
    submit(store)
    write(store, 0, f"{NOW}{mark(SHARD, 7)}\nmine\n")
    assert parts(store, attempt(7))[0].lines[1:] == ("mine",)


def test_a_rank_that_died_before_its_mark_wrote_what_is_last(store: Store) -> None:
    submit(store)
    write(store, 1, begins(1, OTHER) + "done\n" + TRACEBACK + "ValueError: x\n")
    found = root_line(store, attempt())
    assert found is not None
    assert (found.line, found.rank) == ("ValueError: x", 1)
    write(store, 1, begins(2) + TRACEBACK + "ValueError: of a later attempt\n")
    assert root_line(store, attempt(1)) is None


def test_the_tails_are_the_last_lines_with_their_numbers(store: Store) -> None:
    submit(store)
    write(store, 0, begins() + "one\ntwo\n 10%\r 99%\rthree\r\n")
    (tail,) = tails(store, attempt(), 2)
    assert (tail.first, tail.lines) == (3, ("two", "three"))


def test_of_a_long_log_only_the_end_is_read_and_its_lines_keep_their_numbers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 4096)
    noise = "step\n" * 2000
    found = root(store, f"{TRACEBACK}OldError: too far back\n{noise}{TRACEBACK}ValueError: x\n")
    assert found is not None
    assert found.line == "ValueError: x"
    assert found.file.endswith(":2009")
    monkeypatch.setattr(logs, "_COUNTED", 0)
    unnumbered = root_line(store, attempt())
    assert unnumbered is not None
    assert unnumbered.file == "submissions/first/submitit/12_0_log.err"


def test_a_ranks_traceback_beats_the_noise_of_the_others(store: Store) -> None:
    noise = (
        f"{TRACEBACK}{CLOSED}\n[rank0]:[E1218 ProcessGroupNCCL.cpp:629] [Rank 0] Watchdog caught "
        "collective operation timeout: WorkNCCL(SeqNum=1)\nsrun: error: n1: task 1: Killed\n"
    )
    found = root(store, noise, f"{TRACEBACK}[rank1]: ZeroDivisionError: division by zero\n")
    assert found == Failure(
        cls="code", line="ZeroDivisionError: division by zero", rank=1, node="n1",
        file="submissions/first/submitit/12_1_log.err:5",
    )  # fmt: skip


def test_the_first_of_a_chain_of_tracebacks_is_the_root(store: Store) -> None:
    chain = (
        f"{TRACEBACK}OSError: [Errno 28] No space left on device\n\nDuring handling of the above "
        f"exception, another exception occurred:\n\n{TRACEBACK}RuntimeError: could not save\n"
    )
    found = root(store, chain)
    assert found is not None
    assert (found.cls, found.file[-2:]) == ("storage", ":5")


def test_what_a_worker_of_a_loader_raised_is_the_root_and_not_that_it_was_caught(
    store: Store,
) -> None:
    text = (
        f"{TRACEBACK}OSError: Caught OSError in DataLoader worker process 0.\nOriginal "
        f"{TRACEBACK}OSError: [Errno 116] Stale file handle\n"
    )
    found = root(store, text)
    assert found is not None
    assert found.cls == "storage"


def test_hardware_beats_the_traceback_that_it_causes(store: Store) -> None:
    xid = "NVRM: Xid (PCI:0000:10:1c): 79, pid=18, GPU has fallen off the bus.\n"
    found = root(store, f"{TRACEBACK}RuntimeError: CUDA error: unspecified launch failure\n", xid)
    assert found is not None
    assert (found.cls, found.rank, found.node) == ("node", 1, "n1")


def test_a_traceback_that_was_survived_is_weaker_than_the_one_that_ended_a_rank(
    store: Store,
) -> None:
    survived = f"{TRACEBACK}OSError: [Errno 28] No space left on device\n{NOW}step 4\n"
    aside = f"Exception ignored in: <function x>\n{TRACEBACK}TypeError: at exit\n"
    found = root(store, survived + TRACEBACK + "ValueError: x\n" + aside)
    assert found is not None
    assert found.line == "ValueError: x"


def test_what_a_rank_went_on_after_does_not_explain_the_signal_that_ended_it(store: Store) -> None:
    aside = f"Exception ignored in: <function x.__del__>\n{TRACEBACK}AttributeError: x\n"
    went_on = f"{TRACEBACK}KeyError: 'x'\n{NOW}step 4\n"
    missing = "fast path: No module named 'flash_attn'\nlibx.so: cannot open shared object file\n"
    for said in (aside, went_on, missing):
        found = root(store, said + "srun: error: q-1: task 0: Killed\n")
        assert found is not None
        assert (found.cls, found.line) == ("unknown", "srun: error: q-1: task 0: Killed")


def test_a_survived_mistake_that_nothing_else_explains_waits_for_nobody(store: Store) -> None:
    found = root(store, f"{TRACEBACK}KeyError: 'x'\n{NOW}step 4\n")
    assert found is not None
    assert (found.cls, found.line) == ("unknown", "KeyError: 'x'")
    assert root(store, f"fast path: No module named 'flash_attn'\n{NOW}step 4\n") is None
    lost = root(store, f"{TRACEBACK}KeyError: 'x'\n{NOW}step 4\n{TRACEBACK}{CLOSED}\n")
    assert lost is not None
    assert lost.cls == "communication"


def test_our_own_story_is_no_evidence(store: Store) -> None:
    assert root(store, f"{NOW}GPU 0: not out of memory: 3 GiB left\n{NOW}Bus error, no\n") is None
    between = TRACEBACK + f"{NOW}{SHARD}: leaving it alone\nValueError: x\n"
    found = root(store, between)
    assert found is not None
    assert found.line == "ValueError: x"


def test_a_file_system_that_fails_blames_no_node(store: Store) -> None:
    for words in ("[Errno 5] Input/output error", "[Errno 30] Read-only file system"):
        found = root(store, f"{TRACEBACK}OSError: {words}: '/scratch/x'\n")
        assert found is not None
        assert (found.cls, found.node) == ("node", "")
    warned = "mkdir -p failed: [Errno 30] Read-only file system: '/home/u/.config'\n"
    assert root(store, warned, told=True) is None


def test_a_disk_that_the_sweep_is_not_on_does_not_pause_it(store: Store) -> None:
    full = "OSError: [Errno 28] No space left on device"
    for elsewhere in (f"{full}: '/tmp/x.bin'", "RuntimeError: unable to write to file "
                      "</torch_71_9>: No space left on device (28)"):  # fmt: skip
        found = root(store, f"{TRACEBACK}{elsewhere}\n")
        assert found is not None
        assert (found.cls, found.line) == ("unknown", elsewhere)
    for own in (f"{full}: '{store.root}/shards/x'", full):
        found = root(store, f"{TRACEBACK}{own}\n")
        assert found is not None
        assert found.cls == "storage"


def test_what_the_scheduler_has_told_is_outdone_by_no_loose_word(store: Store) -> None:
    assert root(store, "wandb: upload: Connection reset by peer\nNo space left on device\n")
    assert (
        root(store, "wandb: Connection reset by peer\nNo space left on device\n", told=True) is None
    )
    assert root(store, TRACEBACK + "ValueError: x\n", told=True) is not None


@pytest.mark.parametrize(
    "lines", ["", "all is well\n", "srun: error: n1: task 0: Exited with exit code 1\n"]
)
def test_logs_that_say_nothing_have_no_root_line(store: Store, lines: str) -> None:
    assert root(store, lines) is None


@pytest.mark.parametrize(
    ("fate", "ranks", "cls", "line", "rank"),
    [
        ("nine", 1, "unknown", "srun: error: q-1: task 0: Killed", 0),
        ("trace", 2, "code", "ZeroDivisionError: division by zero", 1),
        ("oom", 1, "host-oom", "slurmstepd-q-1: error: Detected 1 oom-kill event(s) in StepId=20.0."
         " Some of your processes may have been killed by the cgroup out-of-memory handler.", 0),
        ("segv", 1, "unknown", "srun: error: q-1: task 0: Segmentation fault (core dumped)", 0),
        ("nopython", 1, "configuration",
         "slurmstepd-q-1: error: execve(): /no/such/python: No such file or directory", 0),
        ("time", 1, "time-limit", "slurmstepd-q-1: error: *** STEP 4.0 ON q-1 CANCELLED AT "
         "2026-11-23T04:43:14 DUE TO TIME LIMIT ***", 0),
        ("preempted", 1, "preempted", "slurmstepd-q-3: error: *** JOB 11 ON q-3 CANCELLED AT "
         "2026-11-23T04:41:51 DUE TO PREEMPTION ***", 0),
        ("abort", 1, None, "", None),
        ("cancelled", 1, None, "", None),
    ],
)  # fmt: skip
def test_what_a_real_clusters_logs_say(
    store: Store, fate: str, ranks: int, cls: str | None, line: str, rank: int | None
) -> None:
    found = root(store, *((REAL / f"{fate}.{rank}.txt").read_text() for rank in range(ranks)))
    assert (found and found.cls) == cls
    if found:
        assert (found.line, found.rank) == (line, rank)
        assert found.node in ("q-1", "q-3", "n1")


def test_of_a_task_that_slurm_ended_with_another_how_it_ended_is_no_cause(store: Store) -> None:
    real = (REAL / "trace.0.txt").read_text()
    assert root(store, real + "srun: error: q-1: task 0: Killed\n") is None
