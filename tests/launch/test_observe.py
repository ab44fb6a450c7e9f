"""Looking at a sweep's folder: what waits, what is silent, what never began."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.launch.records import claim, finished
from xtl.launch.logs import mark
from xtl.launch.observe import Look, observe, settle
from xtl.launch.records import Batch, Failure, Heartbeat, Job, Submission
from xtl.launch.sight import Liveness, Sight
from xtl.launch.states import SILENCE_LIMIT_S, states
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

CREATED = 1000.0


def answer(liveness: Liveness, **said: Any) -> Look:
    """A scheduler that says the same of every job."""
    return lambda submissions: {
        entry.name: Sight(liveness=liveness, **said) for entry in submissions
    }


def submitted(store: Store, plan: Plan, *names: str) -> Submission:
    """A job for the shards of these names, on disk with its id."""
    ids = {shard.name: shard.id for shard in plan.shards.values()}
    shards = tuple((ids[name], 1) for name in names)
    submission = Submission(
        name=f"{shards[0][0]}-1-1", sweep="small", cluster="local", shards=shards, slot=0, ranks=2,
        zero_stage=1, micro_batch=8, mirror="mirror", commit="", created=CREATED,
    )  # fmt: skip
    store.submissions.write(submission)
    store.submissions.write_job(submission.name, Job(id="1", host="there"))
    return submission


TRAINING, EVALUATION = "0 s1 → lookup-qa", "0 s1 → lookup-qa · lookup-qa"


def state_of(store: Store, plan: Plan, name: str, liveness: Liveness, now: float) -> str:
    observation = observe(store, plan, answer(liveness), now)
    found = states(plan, observation.evidence)
    return next(state.name for key, state in found.items() if plan.shards[key].name == name)


def test_shards_that_a_live_job_has_not_come_to_are_queued(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING, EVALUATION)
    store.claim(claim(submission.shards[0][0], 1))
    assert state_of(store, plan, TRAINING, "alive", CREATED) == "running"
    assert state_of(store, plan, EVALUATION, "alive", CREATED) == "queued"


def test_a_silent_job_on_a_host_that_cannot_be_asked_is_lost(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    store.claim(claim(submission.shards[0][0], 1))
    late = CREATED + SILENCE_LIMIT_S + 1
    assert state_of(store, plan, TRAINING, "unknown", late - 2) == "unknown"
    assert state_of(store, plan, TRAINING, "unknown", late) == "lost"
    store.beat(submission.shards[0][0], Heartbeat(attempt=1, time=late - 5, step=1, total=2))
    assert state_of(store, plan, TRAINING, "unknown", late) == "unknown"


def test_a_lost_job_no_longer_holds_a_slot(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    observation = observe(store, plan, answer("unknown"), CREATED + SILENCE_LIMIT_S + 1)
    assert observation.alive == []
    assert observation.ended == [submission]


def test_a_job_that_ended_before_it_began_is_a_false_start_with_its_last_words(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    log = store.submissions.folder(submission.name) / "submitit" / "7_0_log.err"
    log.parent.mkdir()
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'
    log.write_text(f"{trace}ModuleNotFoundError: No module named 'nothing'\n")
    settle(store, observe(store, plan, answer("gone"), CREATED))
    (line,) = store.false_starts(submission.shards[0][0])
    assert line.attempt == 1
    assert line.line == "ModuleNotFoundError: No module named 'nothing'"
    assert (line.cls, line.rank) == ("configuration", 0)
    assert line.file == f"submissions/{submission.name}/submitit/7_0_log.err:3"
    assert store.submissions.open() == []


def test_a_job_that_ended_before_it_began_without_a_word_is_unknown(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    facts = ("Slurm: FAILED, exit 1:0",)
    settle(store, observe(store, plan, answer("gone", facts=facts, node="n1"), CREATED))
    (start,) = store.false_starts(submission.shards[0][0])
    assert (start.cls, start.node, start.facts) == ("unknown", "n1", facts)
    assert start.line.endswith("ended before it began: it left no word")


def begun(store: Store, plan: Plan, log: str) -> tuple[str, Path]:
    """The training, claimed by its job's first attempt, and what its rank 1 wrote since."""
    submission = submitted(store, plan, TRAINING)
    shard = submission.shards[0][0]
    store.claim(claim(shard, 1).model_copy(update={"submission": submission.name}))
    path = store.submissions.folder(submission.name) / "submitit" / "7_1_log.err"
    path.parent.mkdir()
    path.write_text(f"2026-11-23 03:41:28,739 {mark(shard, 1)}\n{log}")
    return shard, path


RAISED = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: a shape\n'


def test_the_root_line_of_the_logs_stays_known_when_the_logs_go(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    shard, log = begun(store, plan, RAISED)
    seen = observe(store, plan, answer("gone"), CREATED)
    before = states(plan, seen.evidence)[shard]
    settle(store, seen)
    log.unlink()
    after = states(plan, observe(store, plan, answer("gone"), CREATED).evidence)[shard]
    for state in (before, after):
        assert state.failure is not None
        assert (state.failure.cls, state.failure.line) == ("code", "ValueError: a shape")
        assert state.failure.rank == 1
        assert state.failure.file.endswith("submitit/7_1_log.err:4")


def test_logs_are_not_read_while_the_job_is_alive(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    shard, _ = begun(store, plan, RAISED)
    assert observe(store, plan, answer("alive"), CREATED).evidence[shard].noted == ()


def test_the_last_sign_of_life_is_a_fact_of_an_attempt_that_ended_without_a_word(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    shard, _ = begun(store, plan, "")
    store.beat(shard, Heartbeat(attempt=1, time=time.time() - 100, step=12, total=40))
    facts = ("Slurm: FAILED, exit 137:0; step 0: FAILED, exit 0, signal 9",)
    settle(store, observe(store, plan, answer("gone", facts=facts, node="n1"), CREATED))
    failure = states(plan, observe(store, plan, answer("gone"), CREATED).evidence)[shard].failure
    assert failure is not None
    assert (failure.cls, failure.node) == ("unknown", "n1")
    assert failure.line == f"rank 0 ended without a word; {facts[0]}"
    assert failure.facts[0] == facts[0]
    assert failure.facts[1].startswith("last heartbeat: step 12 of 40, 10")


def test_a_job_that_left_its_shards_and_then_crashed_uses_up_no_try(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    store.submissions.note_left(submission.name, "yield")
    crashed = Failure(cls="unknown", line="step 0 ended by signal 6 (SIGABRT)")
    settle(store, observe(store, plan, answer("gone", failure=crashed), CREATED))
    assert store.false_starts(submission.shards[0][0]) == []


def test_an_attempt_of_a_submission_that_was_not_asked_about_is_never_gone(
    tmp_path: Path, plan: Plan
) -> None:
    """Another launcher submitted it while we were looking."""
    store = Store(tmp_path)
    shard = next(key for key, found in plan.shards.items() if found.name == TRAINING)
    store.claim(claim(shard, 1))
    assert state_of(store, plan, TRAINING, "gone", CREATED) == "unknown"


def test_looking_writes_nothing(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    submitted(store, plan, TRAINING)
    before = sorted(tmp_path.rglob("*"))
    observe(store, plan, answer("gone"), CREATED)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_nobody_could_be_asked_about_is_never_lost(tmp_path: Path, plan: Plan) -> None:
    """The scheduler itself was silent: absence proves nothing."""
    store = Store(tmp_path)
    submitted(store, plan, TRAINING)
    late = CREATED + SILENCE_LIMIT_S + 1
    silent = observe(store, plan, answer("unknown", asked=False), late)
    assert [entry.name for entry in silent.alive] == [entry.name for entry in observe(
        store, plan, answer("alive"), late).alive]  # fmt: skip


def test_how_the_scheduler_ended_a_job_is_kept_with_its_attempt(tmp_path: Path, plan: Plan) -> None:
    """sacct forgets, the sweep's folder does not; and a finished attempt is left alone."""
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING, EVALUATION)
    (first, _), (second, _) = submission.shards
    for shard in (first, second):
        store.claim(claim(shard, 1).model_copy(update={"submission": submission.name}))
    store.end_attempt(first, 1, finished())
    over = Failure(cls="time-limit", line="TIMEOUT after 10 minutes")
    settle(store, observe(store, plan, answer("gone", failure=over), CREATED))
    assert store.noted_failures(first, 1) == []
    assert store.noted_failures(second, 1) == [over]
    assert state_of(store, plan, EVALUATION, "gone", CREATED) == "failed"


def test_a_job_that_left_its_shards_to_others_uses_up_no_try(tmp_path: Path, plan: Plan) -> None:
    """Another one has them, or a parent was not there yet."""
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    store.submissions.note_left(submission.name, "yield")
    settle(store, observe(store, plan, answer("gone"), CREATED))
    assert store.false_starts(submission.shards[0][0]) == []
    assert store.submissions.open() == []


def test_a_job_that_the_scheduler_dropped_uses_up_no_try(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    settle(store, observe(store, plan, answer("gone", dropped=True), CREATED))
    assert store.false_starts(submission.shards[0][0]) == []
    assert store.submissions.open() == []


@pytest.mark.parametrize("name", [TRAINING, EVALUATION])
def test_what_a_person_cancelled_in_the_queue_is_cancelled_to_its_last_shard(
    tmp_path: Path, plan: Plan, name: str
) -> None:
    store = Store(tmp_path)
    submitted(store, plan, TRAINING, EVALUATION)
    cancelled = Failure(cls="cancelled", line="CANCELLED by 7")
    settle(store, observe(store, plan, answer("gone", failure=cancelled), CREATED))
    assert state_of(store, plan, name, "gone", CREATED) in ("failed", "blocked")


def test_the_id_of_an_array_whose_launcher_died_is_kept_when_it_is_seen(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING).model_copy(
        update={"name": "other", "batch": "xtl-small-0001"}
    )
    store.submissions.write(submission)
    store.batches.write(Batch(name="xtl-small-0001", submissions=("other",), created=CREATED))
    settle(store, observe(store, plan, answer("alive", job="71_0"), CREATED))
    job = store.batches.job("xtl-small-0001")
    assert job is not None
    assert job.id == "71"


def late(store: Store, plan: Plan, started: float) -> str:
    """A shard that a job claims whose submission was closed when it was seen at CREATED."""
    submission = submitted(store, plan, TRAINING)
    shard = submission.shards[0][0]
    settle(store, observe(store, plan, answer("gone", dropped=True), CREATED))
    assert store.submissions.open() == []
    own = {"submission": submission.name, "started": started}
    store.claim(claim(shard, 1).model_copy(update=own))
    return shard


def test_what_a_job_begins_after_it_was_given_up_is_not_run_beside_it(
    tmp_path: Path, plan: Plan
) -> None:
    """sbatch was heard after all, or a person has requeued it."""
    store = Store(tmp_path)
    shard = late(store, plan, started=CREATED + 60)
    seen = observe(store, plan, answer("gone"), CREATED + 61)
    assert states(plan, seen.evidence)[shard].name == "unknown"
    assert [entry.name for entry in seen.alive] == [entry.name for entry in seen.returned] != []
    settle(store, seen)  # from now on it is asked about
    assert state_of(store, plan, TRAINING, "alive", CREATED + 62) == "running"
    settle(store, observe(store, plan, answer("gone"), CREATED + 90))
    assert state_of(store, plan, TRAINING, "gone", CREATED + 91) == "failed"


def test_what_a_job_began_after_it_was_given_up_is_over_when_it_is_silent(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    shard = late(store, plan, started=CREATED + 60)
    store.beat(shard, Heartbeat(attempt=1, time=CREATED + 100, step=1, total=2))
    limit = CREATED + 100 + SILENCE_LIMIT_S
    assert state_of(store, plan, TRAINING, "gone", limit) == "unknown"
    assert state_of(store, plan, TRAINING, "gone", limit + 1) == "failed"


def test_what_a_job_began_before_its_end_was_seen_is_over(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    late(store, plan, started=CREATED - 1)
    assert state_of(store, plan, TRAINING, "gone", CREATED + 1) == "failed"


def test_a_shard_whose_submission_cannot_be_read_is_lost_when_it_is_silent(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    shard, _ = begun(store, plan, "")
    store.beat(shard, Heartbeat(attempt=1, time=CREATED, step=1, total=2))
    for path in tmp_path.rglob("submission.json"):
        path.write_text("{")
    limit = CREATED + SILENCE_LIMIT_S
    assert state_of(store, plan, TRAINING, "gone", limit) == "unknown"
    assert state_of(store, plan, TRAINING, "gone", limit + 1) == "lost"
