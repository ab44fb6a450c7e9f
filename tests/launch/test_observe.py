"""Looking at a sweep's folder: what waits, what is silent, what never began."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.launch.records import claim
from xtl.launch.observe import observe, settle
from xtl.launch.records import Heartbeat, Job, Submission
from xtl.launch.states import SILENCE_LIMIT_S, Liveness, states
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

CREATED = 1000.0


class Answers:
    """A scheduler that has been asked already: what it said of every job."""

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness

    def submit(self, store: Store, submission: Submission) -> Job:
        raise AssertionError("looking submits nothing")

    def liveness(
        self, store: Store, jobs: Mapping[str, tuple[Submission, Job | None]]
    ) -> dict[str, Liveness]:
        return dict.fromkeys(jobs, self._liveness)


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
    observation = observe(store, plan, Answers(liveness), now)
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
    observation = observe(store, plan, Answers("unknown"), CREATED + SILENCE_LIMIT_S + 1)
    assert observation.alive == []
    assert observation.ended == [submission]


def test_a_job_that_ended_before_it_began_is_a_false_start_with_its_last_words(
    tmp_path: Path, plan: Plan
) -> None:
    store = Store(tmp_path)
    submission = submitted(store, plan, TRAINING)
    log = store.submissions.folder(submission.name) / "submitit" / "7_0_log.err"
    log.parent.mkdir()
    log.write_text("Traceback\nModuleNotFoundError: No module named 'nothing'\n")
    settle(store, observe(store, plan, Answers("gone"), CREATED).ended)
    (line,) = store.false_starts(submission.shards[0][0])
    assert line.endswith("ModuleNotFoundError: No module named 'nothing'")
    assert store.submissions.open() == []


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
    observe(store, plan, Answers("gone"), CREATED)
    assert sorted(tmp_path.rglob("*")) == before
