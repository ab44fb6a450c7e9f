"""From what a rank raised to a class, and from all ranks' words to the root cause. Pure."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.launch.records import attempt, failed, stopped
from xtl.errors import ConfigurationError, UserError
from xtl.launch.failures import (
    blames_hardware,
    classify_exception,
    failure_of,
    fingerprint,
    is_elsewhere,
    root_cause,
)
from xtl.launch.records import Failure, FailureClass
from xtl.train.checkpoint import DamagedError
from xtl.train.update import DivergedError


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "storage"),
        (
            RuntimeError("PytorchStreamWriter failed writing file: No space left on device"),
            "storage",
        ),
        (OSError(errno.ESTALE, "Stale file handle"), "storage"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "gpu-oom"),
        (MemoryError(), "host-oom"),
        (RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:1"), "communication"),
        (ConnectionResetError("Connection reset by peer"), "communication"),
        (UserError("pool.jsonl: row 3: found no column"), "data"),
        (ConfigurationError("engine.precision: found fp16 on a CPU"), "configuration"),
        (DivergedError("update 7: the loss is nan"), "diverged"),
        (DamagedError("step-000004, the best checkpoint: found no such file"), "node"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "storage"),
        (OSError(errno.EREMOTEIO, "Remote I/O error"), "storage"),
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected", "/s/x"), "storage"),
        (OSError(errno.ENOTCONN, "Der Socket ist nicht verbunden", "/s/x"), "storage"),
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected"), "communication"),
        (OSError(errno.EIO, "Input/output error", "/s/x"), "node"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling"), "gpu-oom"),
        (RuntimeError("ProcessGroupGloo does not support reduce_scatter"), "code"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "node"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "code"),
        (ModuleNotFoundError("No module named 'deepspeed'"), "configuration"),
        (KeyError("x"), "code"),
        (KeyError("nccl"), "code"),
        (RuntimeError("shape mismatch"), "code"),
        (FileNotFoundError("no such file"), "code"),
    ],
)
def test_what_a_rank_raised_has_a_class(error: BaseException, cls: FailureClass) -> None:
    assert classify_exception(error) == cls


def write_by_a_library() -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        raise RuntimeError("unexpected pos") from error


def test_a_full_disk_is_known_through_what_a_library_makes_of_it() -> None:
    with pytest.raises(RuntimeError) as wrapped:
        write_by_a_library()
    assert classify_exception(wrapped.value) == "storage"


def write_in(folder: str) -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device", f"{folder}/x")
    except OSError as error:
        raise RuntimeError("unexpected pos") from error


def test_a_full_disk_that_the_sweep_is_not_on_is_not_its_storage(tmp_path: Path) -> None:
    for folder, cls in (("/tmp", "unknown"), (str(tmp_path / "sweep"), "storage")):
        own = OSError(errno.ENOSPC, "No space left on device", f"{folder}/x")
        assert classify_exception(own, tmp_path / "sweep") == cls
        with pytest.raises(RuntimeError) as wrapped:
            write_in(folder)
        assert classify_exception(wrapped.value, tmp_path / "sweep") == cls
    nameless = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert classify_exception(nameless, tmp_path) == "storage"


@pytest.mark.parametrize(
    ("words", "elsewhere"),
    [
        ("[Errno 28] No space left on device: '/tmp/x'", True),
        ("[Errno 122] Disk quota exceeded: '/sweep/a' -> '/sweep/b'", False),
        ("[Errno 28] No space left on device: '/tmp/a' -> '/sweep/b'", False),
        ("[Errno 28] No space left on device: '/sweep/../tmp/x'", True),
        ("[Errno 28] No space left on device: '/sweep2/x'", True),
        ("unable to write to file </torch_4711_0>: No space left on device (28)", True),
        ("tee: /tmp/log: No space left on device", True),
        ("tee: /sweep/log: No space left on device", False),
        ("tee: log: No space left on device", False),
        ("[enforce fail at inline_container.cc:603] . failed writing file data/1: No space", False),
    ],
)
def test_where_a_message_says_there_was_no_room(words: str, elsewhere: bool) -> None:
    assert is_elsewhere(words, Path("/sweep")) == elsewhere


def test_a_sweeps_folder_is_itself_by_a_link_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for name in ("real", "link"):
        assert not is_elsewhere(f"No space left: '{tmp_path / name}/x'", tmp_path / "link")


def test_a_ranks_own_word_is_the_root_of_the_others_lost_connection_if_nobody_knows_why() -> None:
    own = Failure(cls="unknown", line="OSError: No space left on device: '/tmp/x'", rank=1)
    assert root_cause([LOST, own]) == own


def test_a_lost_connection_is_the_root_only_when_nothing_else_is() -> None:
    lost = Failure(cls="communication", line="closed", rank=0)
    cause = Failure(cls="storage", line="full", rank=1)
    assert root_cause([lost, cause]) == cause
    assert root_cause([lost]) == lost
    assert root_cause([]) is None


def test_a_rank_0_that_ended_without_a_word_is_unknown_with_what_others_saw() -> None:
    lost = Failure(cls="communication", line="Connection closed by peer", rank=1)
    found = failure_of(attempt(1), [lost])
    assert found.cls == "unknown"
    assert found.line == "rank 0 ended without a word; Connection closed by peer"


def test_an_attempt_that_ended_says_its_own_failure() -> None:
    assert failure_of(attempt(1, failed("code")), []).cls == "code"


PERSON = Failure(cls="cancelled", line="a person cancelled it")
OWN = Failure(cls="code", line="ZeroDivisionError: division by zero", rank=1)
IN_LOGS = Failure(cls="host-oom", line="oom-kill", file="batches/b/logs/7_0_0_log.err:9", rank=0)
SLURM = Failure(cls="time-limit", line="at its limit", facts=("Slurm: TIMEOUT, exit 0:0",))
KILLED = Failure(cls="unknown", line="task 0: Killed", file="x/7_0_0_log.err:3", rank=0, node="n1")
LOST = Failure(cls="communication", line="Connection closed by peer", rank=0)
NOBODY = Failure(
    cls="unknown", line="step 0 ended by signal 9", node="n1", facts=("Slurm: FAILED",)
)
BY_WEIGHT = [PERSON, OWN, IN_LOGS, SLURM, KILLED, LOST, NOBODY]


@pytest.mark.parametrize("first", range(len(BY_WEIGHT)))
def test_the_root_cause_is_who_knows_best(first: int) -> None:
    """A person, a rank, its logs, the scheduler, a signal, a lost connection, and nobody."""
    assert root_cause([*BY_WEIGHT[:first:-1], BY_WEIGHT[first]]) == BY_WEIGHT[first]


def test_all_evidence_is_kept_as_facts_of_the_root() -> None:
    found = failure_of(attempt(1), [SLURM, IN_LOGS, NOBODY])
    assert (found.cls, found.line) == ("host-oom", "oom-kill")
    assert found.facts == ("Slurm: TIMEOUT, exit 0:0", "Slurm: FAILED")


def test_unknown_stays_unknown_with_what_evidence_there_is() -> None:
    found = failure_of(attempt(1), [NOBODY])
    assert found.line == "rank 0 ended without a word; step 0 ended by signal 9"
    assert (found.cls, found.node, found.facts) == ("unknown", "n1", ("Slurm: FAILED",))
    assert failure_of(attempt(1), [NOBODY, LOST, KILLED]).line == "task 0: Killed"


def test_a_rank_that_was_killed_is_the_root_of_the_others_lost_connection() -> None:
    ended = attempt(1, failed("communication"))
    assert failure_of(ended, [LOST]).cls == "communication"
    assert failure_of(ended, [LOST, KILLED]).cls == "unknown"


def test_what_a_rank_has_noted_stands_in_its_log_too() -> None:
    where = "batches/b/logs/7_0_1_log.err:12"
    found = failure_of(attempt(1), [OWN, OWN.model_copy(update={"file": where})])
    assert (found.cls, found.file) == ("code", where)


def test_an_attempt_that_was_asked_to_stop_did_so_whatever_its_logs_say() -> None:
    assert failure_of(attempt(1, stopped(4)), [IN_LOGS, SLURM]).cls == "preempted"
    assert failure_of(attempt(1, stopped(4)), [PERSON]).cls == "cancelled"


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), True),
        (DamagedError("step-000004: found no such file"), False),
        (OSError(errno.EIO, "Input/output error"), False),
        (OSError(errno.EROFS, "Read-only file system", "/scratch/x"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_only_hardware_that_is_named_is_blamed(error: BaseException, blamed: bool) -> None:
    assert blames_hardware(error) == blamed


def mark(line: str, cls: FailureClass = "code", node: str = "") -> str:
    return fingerprint(Failure(cls=cls, line=line, node=node))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: row 3 of /data/a/pool.jsonl", "ValueError: row 417 of /scratch/b/rows.jsonl"),
        ("srun: error: gpu-03: task 0: Killed", "srun: error: gpu-11: task 7: Killed"),
        ("CUDA error at 0x7f00c0de: x", "CUDA error at 0x7fffbeef: x"),
        ("KeyError: '3f2a9b10c4d5e6f7'", "KeyError: 'a0b1c2d3e4f50617'"),
        ("Tried to allocate 2.00 GiB", "Tried to allocate 512.00 MiB"),
        ("NVRM: Xid (PCI:0000:10:1c): 79, pid=1", "NVRM: Xid (PCI:0000:b9:00): 79, pid=99"),
        ("the loss is 1.5e+30", "the loss is 2.25e+28"),
        ("step-000004: No such file", "step-000128: No such file"),
        ("Connection closed by peer [10.0.0.2]:4711", "Connection closed by peer [127.0.0.1]:5"),
    ],
)
def test_one_fault_on_two_shards_has_one_fingerprint(one: str, other: str) -> None:
    assert mark(one) == mark(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No module named 'torch'", "No module named 'numpy'"),
        ("NVRM: Xid (PCI:0000:10:1c): 79, pid=1", "NVRM: Xid (PCI:0000:10:1c): 48, pid=1"),
        ("step 0 ended by signal 9 (SIGKILL)", "step 0 ended by signal 11 (SIGSEGV)"),
        ("OSError: [Errno 5] x", "OSError: [Errno 13] x"),
        ("task 0: Exited with exit code 1", "task 0: Exited with exit code 127"),
        ("ValueError: shapes differ", "TypeError: shapes differ"),
    ],
)
def test_two_faults_have_two_fingerprints(one: str, other: str) -> None:
    assert mark(one) != mark(other)


def test_a_line_of_another_class_is_another_fault() -> None:
    assert mark("x", "code") != mark("x", "data")


numbers = some.one_of(some.integers(0, 10**9), some.floats(0, 1e9, allow_nan=False))
paths = some.lists(some.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True), min_size=2).map(
    lambda parts: "/" + "/".join(parts)
)
ids = some.integers(16**15, 16**16 - 1).map("{:x}".format).filter(lambda text: not text.isalpha())
hosts = some.from_regex(r"[a-z]{2,8}(-[a-z]{1,4})?", fullmatch=True)
filled = some.tuples(some.integers(0, 99), some.integers(0, 2**64 - 1), paths, ids, numbers, hosts)


def line_of(values: tuple[int, int, str, str, float, str]) -> Failure:
    rank, address, path, shard, number, host = values
    line = f"rank {rank}: fault at {address:#x} in {path}, shard {shard}: {number} on {host}"
    return Failure(cls="code", line=line, node=host)


@given(filled, filled)
def test_numbers_addresses_paths_ids_hosts_and_ranks_make_no_difference(
    one: tuple[int, int, str, str, float, str], other: tuple[int, int, str, str, float, str]
) -> None:
    words = ("rank", "fault", "at", "in", "shard", "on")
    if one[-1] in words or other[-1] in words:
        return
    assert fingerprint(line_of(one)) == fingerprint(line_of(other))


@given(some.lists(some.from_regex(r"[A-Za-z]{2,9}", fullmatch=True), min_size=1))
def test_words_alone_are_the_fault(words: list[str]) -> None:
    assert mark(" ".join(words)) == f"code: {' '.join(words)}"
