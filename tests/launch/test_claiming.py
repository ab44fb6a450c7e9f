"""Which attempt a job may run: what is done, what waits for a parent, what another one has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.records import result
from tests.launch.slurm.test_watch import submit
from xtl.launch import claiming
from xtl.launch.claiming import claim_shard
from xtl.launch.records import FalseStart, Pause, Submission
from xtl.launch.store import Store
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """In a job of Slurm: an array's first task."""
    monkeypatch.setattr(claiming, "_PATIENCE_S", 0.0)
    for name, value in {
        "SUBMITIT_EXECUTOR": "slurm", "SLURM_JOB_ID": "70", "SLURM_ARRAY_JOB_ID": "70",
        "SLURM_ARRAY_TASK_ID": "0",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return Store(tmp_path)


@pytest.fixture
def submission(store: Store) -> Submission:
    (found,) = submit(store, 1)
    return found


@pytest.fixture
def chain(plan: Plan, store: Store) -> tuple[Shard, Shard]:
    """A training without parents, and a child of its."""
    child = next(shard for shard in plan.shards.values() if shard.parents)
    parent = plan.shards[child.parents[0]]
    for shard in (parent, child):
        store.write_shard(shard)
    return parent, child


def hand_over(store: Store, shard: Shard) -> None:
    folder = store.artifact(shard.id)
    folder.mkdir(parents=True)
    (folder / "DIGEST.json").write_text('{"digest": "d"}')
    store.write_result(result(shard.id))


def test_a_free_attempt_is_run(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    assert claim_shard(store, submission, chain[0].id, 1) == ("run", 1)


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_claim_says_how_its_job_computes(
    store: Store, submission: Submission, chain: tuple[Shard, Shard], deterministic: bool
) -> None:
    asked = submission.model_copy(update={"deterministic": deterministic})
    claim_shard(store, asked, chain[0].id, 1)
    claim = store.attempts(chain[0].id)[0].claim
    assert (claim.deterministic, claim.micro_batch) == (deterministic, submission.micro_batch)


def test_an_attempt_that_another_job_has_is_left_to_it(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    claim_shard(store, submission, chain[0].id, 1)
    assert claim_shard(store, submission, chain[0].id, 1) == ("yield", 1)


def test_a_requeued_job_takes_the_next_attempt(
    store: Store,
    submission: Submission,
    chain: tuple[Shard, Shard],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim_shard(store, submission, chain[0].id, 1)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert claim_shard(store, submission, chain[0].id, 1) == ("run", 2)


def test_a_requeued_job_leaves_a_shard_that_another_has_taken_over(
    store: Store,
    submission: Submission,
    chain: tuple[Shard, Shard],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim_shard(store, submission, chain[0].id, 1)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "71")
    claim_shard(store, submission, chain[0].id, 2)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "70")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert claim_shard(store, submission, chain[0].id, 1)[0] == "yield"


def test_a_child_whose_parent_is_not_there_leaves_and_uses_up_no_attempt(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    """Slurm takes a dependency on a job that it has forgotten for satisfied."""
    _, child = chain
    assert claim_shard(store, submission, child.id, 1) == ("early", 1)
    assert store.attempts(child.id) == []


def test_what_is_done_of_todays_parents_is_skipped(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    parent, child = chain
    hand_over(store, parent)
    assert claim_shard(store, submission, parent.id, 1) == ("skip", 1)
    assert claim_shard(store, submission, child.id, 1) == ("run", 1)


def test_a_requeued_job_does_not_train_a_released_parent_again(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    """Its child was done, and a launcher released it, before the job was preempted."""
    parent, child = chain
    hand_over(store, parent)
    store.write_result(result(child.id, None, {parent.id: "d"}, child.stage))
    store.release_artifact(parent.id)
    both = submission.model_copy(update={"shards": ((parent.id, 1), (child.id, 1))})
    assert claim_shard(store, both, parent.id, 1) == ("skip", 1)
    assert claim_shard(store, both, child.id, 1) == ("skip", 1)


def test_a_released_parent_that_a_shard_of_the_job_needs_is_trained_again(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    parent, child = chain
    hand_over(store, parent)
    store.release_artifact(parent.id)
    both = submission.model_copy(update={"shards": ((parent.id, 1), (child.id, 1))})
    assert claim_shard(store, both, parent.id, 1) == ("run", 1)


def test_an_artifact_that_is_not_its_results_is_made_again(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    parent, _ = chain
    hand_over(store, parent)
    (store.artifact(parent.id) / "DIGEST.json").write_text('{"digest": "other"}')
    assert claim_shard(store, submission, parent.id, 1) == ("run", 1)


def test_a_paused_sweeps_jobs_leave_without_using_up_a_try(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    store.pauses.begin(Pause(cause="repeated", line="KeyError", since=1.0))
    assert claim_shard(store, submission, chain[0].id, 1) == ("paused", 1)
    assert store.attempts(chain[0].id) == []
    store.pauses.lift()
    assert claim_shard(store, submission, chain[0].id, 1) == ("run", 1)


def test_a_job_that_slurm_took_late_leaves_what_a_person_has_cancelled_since(
    store: Store, submission: Submission, chain: tuple[Shard, Shard]
) -> None:
    for since, decided in ((-1.0, "run"), (1.0, "cancelled")):
        moment = submission.created + since
        start = FalseStart(cls="cancelled", line="a person", attempt=1, time=moment)
        store.note_false_start(chain[0].id, f"another-{since}", start)
        assert claim_shard(store, submission, chain[0].id, 1) == (decided, 1)
        assert len(store.attempts(chain[0].id)) == 1
