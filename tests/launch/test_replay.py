"""A shard is run again, alone: it gives the sweep's bits, and the sweep's folder is only read."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import ROOT, Bench
from tests.launch.records import claim, result
from tests.slurm.checkouts import copy_checkout, plant
from tests.slurm.sweeps import edit_manifest
from xtl.errors import UserError
from xtl.launch.records import Claim, Result, Submission
from xtl.launch.replay import original, prepare
from xtl.launch.sameness import compare, differs_by
from xtl.launch.store import Store

TRAINING = "lookup-pool 64 epochs s1 → lookup-qa"
EVALUATION = f"{TRAINING} · lookup-qa"
FAILED = "0 s1 → lookup-qa · lookup-qa"


def content(folder: Path) -> dict[str, str]:
    """Every file with its hash and time, every folder with what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        is_file = path.is_file() and not path.is_symlink()
        body = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else "folder"
        found[str(path.relative_to(folder))] = f"{body} {path.lstat().st_mtime_ns}"
    return found


def replayed(
    bench: Bench, name: str, into: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """As a person would: the printed command, in a shell."""
    words = ("--replay", "--into", str(into), *options)
    printed = bench.run("show", name, *words)
    assert printed.returncode == 0, printed.stderr
    environment = bench.env | {"PYTHONPATH": ""}
    return subprocess.run(
        ["sh", "-c", printed.stdout],
        cwd="/", env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [TRAINING, EVALUATION])
def test_a_replay_gives_the_same_bits_and_leaves_the_sweep_alone(
    swept: Bench, name: str, tmp_path: Path
) -> None:
    shard = swept.shards()[name]["id"]
    before = content(swept.root)
    done = replayed(swept, name, tmp_path / "own")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the sweep's result, bit for bit" in done.stdout
    assert content(swept.root) == before
    old, new = (Store(root).result(shard) for root in (swept.root, tmp_path / "own"))
    assert old
    assert new
    assert (new.artifact, new.metrics, new.predictions) == (
        old.artifact, old.metrics, old.predictions,
    )  # fmt: skip


@pytest.fixture(scope="module")
def broken(prepared: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A sweep on one rank of which an evaluation failed: the rows of a language are no longer those
    that were locked. Its code stops at a breakpoint where it is told to."""
    folder = tmp_path_factory.mktemp("broken")
    stop = "\n\nif __import__('os').environ.get('STOP'):\n    breakpoint()\n"
    checkout = plant(copy_checkout(folder / "checkout"), {"launch/outcomes": stop})
    bench = replace(prepared.copy(folder / "bench"), checkout=checkout)
    edit_manifest(bench, sizes=[0], engine={"ranks": 1})
    tables = bench.root / "mirror" / "xtl" / "cldr-lookup"
    english, swahili = (next(tables.glob(f"*/{name}/*.parquet")) for name in ("en", "sw"))
    swahili.unlink()
    swahili.write_bytes(english.read_bytes())
    done = bench.run("sweep")
    assert done.returncode == 1, done.stdout + done.stderr
    return bench


@pytest.mark.long
def test_a_shard_that_failed_shows_its_traceback(broken: Bench, tmp_path: Path) -> None:
    shard = broken.shards()[FAILED]
    assert shard["failure"]["cls"] == "data"
    before = content(broken.root)
    done = replayed(broken, FAILED, tmp_path / "own")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert shard["failure"]["line"].partition(": found content ")[2] in done.stderr
    assert "failed, exit status 1" in done.stdout
    assert content(broken.root) == before
    noted = Store(tmp_path / "own").noted_failures(shard["id"], 1)
    assert [failure.cls for failure in noted] == ["data"]


@pytest.mark.long
def test_with_one_rank_a_breakpoint_has_the_terminal(broken: Bench, tmp_path: Path) -> None:
    printed = broken.run("show", "public model", "--replay", "--into", str(tmp_path / "own"))
    done = subprocess.run(
        ["sh", "-c", printed.stdout],
        env=broken.env | {"STOP": "1", "PYTHONPATH": ""},
        input="p 6 * 7\nc\n",
        capture_output=True,
        text=True,
    )
    assert "(Pdb) 42" in done.stdout, done.stdout + done.stderr
    assert "equal to the sweep's result" in done.stdout


# -- what is refused --------------------------------------------------------------------------
@pytest.fixture
def store(tmp_path: Path, plan: Any) -> Store:
    """A shard that was attempted twice, by two jobs."""
    found = Store(tmp_path / "sweep")
    shard = next(entry for entry in plan.shards.values() if entry.stage == "target")
    found.write_shard(shard)
    for number, micro_batch in ((1, 8), (2, 4)):
        found.submissions.write(submission(shard.id, number, micro_batch))
        found.claim(claim(shard.id, number))
    return found


def submission(shard: str, number: int, micro_batch: int) -> Submission:
    return Submission(
        name=f"{shard}-{number}-1", sweep="small", cluster="local", shards=((shard, number),),
        ranks=2, zero_stage=1, micro_batch=micro_batch, mirror="mirror", commit="",
        created=float(number),
    )  # fmt: skip


def only(store: Store) -> str:
    return next((store.root / "shards").iterdir()).name


def test_it_runs_as_the_latest_attempt_did_or_as_the_one_that_is_named(store: Store) -> None:
    assert original(store, only(store)).micro_batch == 4
    assert original(store, only(store), 1).micro_batch == 8


def test_an_attempt_that_never_was_is_refused(store: Store) -> None:
    with pytest.raises(UserError, match=r"found 3, expected one that there was \(1, 2\)"):
        original(store, only(store), 3)


def test_a_shard_that_was_never_submitted_is_refused_by_its_name(tmp_path: Path, plan: Any) -> None:
    with pytest.raises(UserError, match=r"^a: found no job that was to run it"):
        original(Store(tmp_path), "a")
    shard = next(iter(plan.shards.values()))
    kept = Store(tmp_path / "sweep")
    kept.write_shard(shard)
    with pytest.raises(UserError) as caught:
        prepare(kept.root, shard.id, tmp_path / "own")
    assert str(caught.value).startswith(f"{shard.name}: found no job")


def test_the_attempt_is_laid_out_in_a_folder_of_its_own(store: Store, tmp_path: Path) -> None:
    replay = prepare(store.root, only(store), tmp_path / "own", 1)
    assert replay.submission.shards == ((only(store), 1),)
    assert (replay.submission.ranks, replay.submission.micro_batch) == (2, 8)
    own = tmp_path / "own"
    assert (own / replay.submission.mirror).resolve() == (store.root / "mirror").resolve()
    assert (own / replay.submission.code).resolve() == ROOT


@pytest.mark.parametrize("into", ["sweep/shards/own", "used"])
def test_a_folder_that_is_in_use_is_refused(store: Store, into: str, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(UserError, match="--into: found"):
        prepare(store.root, only(store), tmp_path / into)


def test_a_parent_without_its_artifact_is_named(store: Store, plan: Any, tmp_path: Path) -> None:
    child = next(entry for entry in plan.shards.values() if entry.parents)
    parent = plan.shards[child.parents[0]]
    store.write_shard(parent)
    store.write_shard(child)
    store.submissions.write(submission(child.id, 9, 8))
    with pytest.raises(UserError, match=f"found no artifact of {parent.name}"):
        prepare(store.root, child.id, tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_refusal_is_one_line_and_leaves_no_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xtl.launch.replay", str(tmp_path), "abc"]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("xtl: abc: found no job")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# -- the comparison ---------------------------------------------------------------------------
def evaluated(f1: float) -> Result:
    return result("a", digest=None).model_copy(update={"metrics": {"sw": {"f1": f1}}})


def test_results_are_compared_bit_by_bit() -> None:
    assert compare(evaluated(50.0), evaluated(50.0)) == (True, ["sw f1: 50.0"])
    same, lines = compare(evaluated(50.0), evaluated(50.000000000001))
    assert (same, lines) == (False, ["sw f1: 50.000000000001, the sweep's is 50.0"])
    assert compare(evaluated(float("nan")), evaluated(float("nan")))[0]
    assert not compare(result("a", "d"), result("a", "e"))[0]
    assert not compare(result("a", parents={"p": "1"}), result("a", parents={"p": "2"}))[0]


def other(**changes: Any) -> Claim:
    return claim("a", 1).model_copy(update=changes)


def test_equal_attempts_must_give_equal_results() -> None:
    assert differs_by(other(), other(attempt=2, job="9", commit="c")) == []


@pytest.mark.parametrize(
    "change",
    [{"world_size": 1}, {"micro_batch": 4}, {"host": "there"}, {"versions": {"torch": "1"}}],
)
def test_what_differs_between_attempts_explains_other_bits(change: dict[str, Any]) -> None:
    assert len(differs_by(other(), other(**change))) == 1


def test_a_gpu_gives_the_same_bits_only_where_it_is_told_to() -> None:
    gpu = other(device="H100")
    assert differs_by(gpu, gpu)
    steady = other(device="H100", deterministic=True)
    assert differs_by(steady, steady) == []
