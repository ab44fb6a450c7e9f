"""The sweep's folder: torn files count as absent, and a claim is given once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.launch.records import claim, finished, result
from xtl.launch.records import End, Failure
from xtl.launch.removal import GONE
from xtl.launch.store import Store
from xtl.sweep.plan import Plan


def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_result(result("a"))
    assert store.result("a") == result("a")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000))
def test_a_truncated_result_counts_as_missing(tmp_path: Path, cut: int) -> None:
    store = Store(tmp_path)
    store.write_result(result("a"))
    whole = store.result_path("a").read_bytes()
    store.result_path("a").write_bytes(whole[: cut % len(whole)])
    assert store.result("a") is None


def test_a_result_of_another_shard_counts_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_result(result("a"))
    store.shard("b").mkdir(parents=True)
    store.result_path("a").rename(store.result_path("b"))
    assert store.result("b") is None


def test_an_attempt_is_claimed_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.claim(claim("a", 1, job="7"))
    assert not store.claim(claim("a", 1, job="8"))
    found = store.attempt("a", 1)
    assert found
    assert found.claim.job == "7"


def _try(root: str, job: int) -> bool:
    return Store(Path(root)).claim(claim("a", 1, job=str(job)))


def test_of_many_processes_one_gets_the_claim(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        won = list(pool.map(_try, [str(tmp_path)] * 40, range(40)))
    assert won.count(True) == 1


def test_attempts_are_listed_oldest_first_with_their_ends(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (2, 1, 10):
        store.claim(claim("a", number))
    store.end_attempt("a", 1, End(status="stopped", step=5, finished=time.time()))
    found = store.attempts("a")
    assert [attempt.claim.attempt for attempt in found] == [1, 2, 10]
    assert [attempt.end is not None for attempt in found] == [True, False, False]
    assert store.latest_attempt("a") == 10


def test_a_shard_is_read_back_with_its_spec(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    for shard in plan.shards.values():
        store.write_shard(shard)
        assert store.read_shard(shard.id) == shard


def test_reading_an_empty_folder_writes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "sweep")
    assert store.result("a") is None
    assert store.attempts("a") == []
    assert store.submissions.open() == []
    assert store.read_lock() is None
    assert not (tmp_path / "sweep").exists()


def test_an_artifact_that_another_launcher_has_released_is_released(tmp_path: Path) -> None:
    Store(tmp_path).release_artifact("a")


def _release(root: str) -> None:
    Store(Path(root)).release_artifact("a")


def test_of_many_processes_that_release_an_artifact_none_fails(tmp_path: Path) -> None:
    for number in range(20):
        (Store(tmp_path).artifact("a") / str(number)).mkdir(parents=True)
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_release, [str(tmp_path)] * 8))
    assert list(Store(tmp_path).shard("a").iterdir()) == []


def test_a_release_is_not_held_up_by_what_an_earlier_one_has_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in (f".released-{os.getpid()}", f"{GONE}artifact-{os.getpid()}", "artifact"):
        (store.shard("a") / name / "left").mkdir(parents=True)
    store.release_artifact("a")
    assert not store.artifact("a").exists()


def test_what_is_kept_of_an_attempt_that_did_not_end_well_comes_with_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    memory = Failure(cls="host-oom", line="OUT_OF_MEMORY")
    for number in (1, 2):
        store.claim(claim("a", number))
        store.note_failure("a", number, memory)
    store.end_attempt("a", 2, finished())
    assert [entry.noted for entry in store.attempts("a")] == [(memory,), ()]
