"""The process that runs a local job's ranks: what it does and says when one of them ends badly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.launch.records import claim
from xtl.launch.controller import ended_by
from xtl.launch.local import controlled
from xtl.launch.logs import mark, root_line
from xtl.launch.records import Attempt, Submission
from xtl.launch.signatures import match
from xtl.launch.store import Store

SHARD = "a" * 16
RANK = """
import os, sys, time
print("2026-11-23 03:41:28,739 {mark}", file=sys.stderr, flush=True)
if os.environ["SUBMITIT_LOCAL_GLOBALID"] == "1":
    os.kill(os.getpid(), {signal})
time.sleep(0.3)
sys.exit("RuntimeError: [gloo/transport/tcp/pair.cc:534] Connection closed by peer")
"""


def run(tmp_path: Path, signal: int) -> Store:
    """A job of two ranks, the second of which a signal ends; the first loses the connection."""
    store = Store(tmp_path / "sweep")
    store.submissions.write(Submission(
        name="job", sweep="s", cluster="local", ranks=2, shards=((SHARD, 1),), zero_stage=1,
        micro_batch=8, mirror="mirror", commit="", created=0.0,
    ))  # fmt: skip
    program = tmp_path / "rank.py"
    program.write_text(RANK.format(mark=mark(SHARD, 1), signal=signal))
    folder = store.submissions.folder("job") / "submitit"
    folder.mkdir()
    environment = {**os.environ, **controlled(f"{sys.executable} {program}", 2, 1)}
    command = [sys.executable, "-m", "xtl.launch.controller", str(folder)]
    began = time.monotonic()
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert time.monotonic() - began < 30
    return store


def test_a_rank_that_a_signal_ended_is_the_cause_of_the_others_lost_connection(
    tmp_path: Path,
) -> None:
    store = run(tmp_path, 9)
    told = claim(SHARD, 1).model_copy(update={"submission": "job"})
    found = root_line(store, Attempt(claim=told, end=None))
    assert found is not None
    assert (found.cls, found.rank) == ("unknown", 1), "nobody knows who sent it"
    assert found.line == "xtl: rank 1 ended by signal 9 (SIGKILL)"
    assert "_1_log.err:2" in found.file


def test_an_abort_is_what_a_library_does_of_a_lost_connection() -> None:
    found = [match(ended_by(3, number)) for number in (9, 6)]
    assert [each and (each.weight, each.rank) for each in found] == [("ended", 3), ("echo", 3)]
    assert ended_by(0, 63) == "xtl: rank 0 ended by signal 63"


def test_on_a_terminal_it_is_said_there(tmp_path: Path) -> None:
    program = tmp_path / "rank.py"
    program.write_text(RANK.format(mark=mark(SHARD, 1), signal=6))
    environment = {**os.environ, **controlled(f"{sys.executable} {program}", 2, 1)}
    code = "from pathlib import Path; from xtl.launch.foreground import Ranks; "
    code += f"print(Ranks(Path({str(tmp_path)!r})).run_all())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout == "1\n", "rank 0's status comes first"
    assert "xtl: rank 1 ended by signal 6 (SIGABRT)" in done.stderr.splitlines()
