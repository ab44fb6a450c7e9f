"""Which jobs go for which shards, what is at stake, and what a person's word outdoes. Pure, but for
the folder that keeps that word."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.launch.records import attempt, claim, finished, result, stopped
from xtl.errors import UserError
from xtl.launch.cancelling import (
    Cancellation,
    CancelledJob,
    at_stake,
    carry_out,
    what_to_cancel,
)
from xtl.launch.observe import Observation, observe, settle
from xtl.launch.records import Attempt, End, Failure, Heartbeat, Submission
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.queue import sights
from xtl.launch.slurm.rows import parse_queue
from xtl.launch.states import Evidence, State, states
from xtl.launch.store import Store
from xtl.sweep.plan import Plan

RUNS = Sight("alive", "RUNNING", job="7_0")


def submission(*shards: str, name: str = "one") -> Submission:
    return Submission(
        name=name, sweep="s", cluster="slurm", shards=tuple((shard, 1) for shard in shards),
        ranks=1, zero_stage=1, micro_batch=8, mirror="mirror", commit="", created=1.0,
    )  # fmt: skip


def seen(plan: Plan, *jobs: Submission, sight: Sight = RUNS) -> Observation:
    waiting = {shard for job in jobs for shard, _ in job.shards}
    evidence = {key: Evidence(waiting=key in waiting, sight=sight) for key in plan.shards}
    return Observation(evidence, list(jobs), [], {job.name: sight for job in jobs})


def known(plan: Plan, queued: tuple[str, ...]) -> dict[str, State]:
    return {key: State("queued" if key in queued else "missing") for key in plan.shards}


def test_a_job_goes_with_all_it_has_and_says_what_was_not_meant(plan: Plan) -> None:
    first, second, *_ = plan.shards
    observation = seen(plan, submission(first, second))
    found = what_to_cancel(plan, known(plan, (first, second)), observation, [second], led=False)
    (job,) = found.jobs
    assert (job.meant, job.others, job.runs) == ((second,), (first,), True)
    assert found.unsent == ()


def test_others_can_be_meant_too(plan: Plan) -> None:
    first, second, *_ = plan.shards
    observation = seen(plan, submission(first, second))
    states_ = known(plan, (first, second))
    found = what_to_cancel(plan, states_, observation, [second], led=False, others_too=True)
    assert (found.meant, found.others) == ([first, second], [])


def test_a_job_without_any_of_the_chosen_stays(plan: Plan) -> None:
    first, second, *_ = plan.shards
    observation = seen(plan, submission(first))
    found = what_to_cancel(plan, known(plan, (first,)), observation, [second], led=False)
    assert found.jobs == ()


def test_a_job_that_nobody_knows_is_out_of_reach(plan: Plan) -> None:
    first, *_ = plan.shards
    observation = seen(plan, submission(first), sight=Sight())
    found = what_to_cancel(plan, known(plan, (first,)), observation, [first], led=False)
    assert (found.jobs, found.out_of_reach) == ((), (first,))


def test_what_a_launcher_would_submit_is_stopped_at_the_first_of_each_chain(plan: Plan) -> None:
    observation = seen(plan)
    found = what_to_cancel(plan, known(plan, ()), observation, plan.shards.keys(), led=True)
    roots = [key for key, shard in plan.shards.items() if not shard.parents]
    assert list(found.unsent) == roots
    idle = what_to_cancel(plan, known(plan, ()), observation, plan.shards.keys(), led=False)
    assert idle.meant == []


def test_at_stake_is_what_was_done_since_the_last_save_at_the_pace_so_far() -> None:
    beat = Heartbeat(attempt=1, time=160.0, step=60, total=100, saved=40)
    stake = at_stake(Evidence(attempts=(attempt(1),), heartbeat=beat))  # begun at 100, two ranks
    assert stake is not None
    assert (stake.steps, stake.device_seconds) == (20, 40.0)


def test_an_attempt_that_went_on_from_a_save_has_not_lost_it() -> None:
    beat = Heartbeat(attempt=2, time=110.0, step=55, total=100)
    first = Attempt(claim=claim("a", 1), end=stopped(50), saved=50)
    stake = at_stake(Evidence(attempts=(first, attempt(2)), heartbeat=beat))
    assert stake is not None
    assert (stake.steps, stake.device_seconds) == (5, 20.0)


def stopped_job(store: Store, plan: Plan, meant: int) -> dict[str, State]:
    """A job of two trainings, cancelled for the one or the other as it ran the first."""
    first, second, *_ = plan.shards
    job = submission(first, second)
    store.submissions.write(job)
    for key in (first, second):
        store.write_shard(plan.shards[key])
    store.claim(claim(first, 1).model_copy(update={"submission": job.name}))
    look = observe(store, plan, lambda _: {job.name: RUNS}, now=2.0)
    chosen = [(first, second)[meant]]
    doomed = what_to_cancel(plan, states(plan, look.evidence), look, chosen, led=False)
    carry_out(store, doomed, client=None)
    store.end_attempt(first, 1, End(status="stopped", step=5, finished=3.0))
    over = Sight("gone", "FAILED", job="7_0")
    settle(store, observe(store, plan, lambda _: {job.name: over}, now=4.0))
    return states(plan, observe(store, plan, lambda _: {}, now=5.0).evidence)


def test_of_a_job_that_ran_what_was_meant_stays_cancelled(plan: Plan, tmp_path: Path) -> None:
    first, second, *_ = plan.shards
    found = stopped_job(Store(tmp_path), plan, meant=0)
    failure = found[first].failure
    assert failure
    assert (failure.cls, found[first].retry) == ("cancelled", False)
    assert found[second].failure is None


def test_of_a_job_that_ran_what_was_not_meant_goes_on(plan: Plan, tmp_path: Path) -> None:
    first, second, *_ = plan.shards
    found = stopped_job(Store(tmp_path), plan, meant=1)
    failure = found[first].failure
    assert failure
    assert (failure.cls, found[first].retry) == ("preempted", True)
    assert found[second].name in ("failed", "blocked")
    last = found[second].failure
    assert last is None or last.cls == "cancelled"
    assert Store(tmp_path).false_starts(second)[0].cls == "cancelled"


def chain(plan: Plan) -> tuple[str, str, str]:
    """An intermediate training, a target that starts from it, and its evaluation."""
    target = next(s for s in plan.shards.values() if s.stage == "target" and s.parents)
    child = next(s for s in plan.shards.values() if target.id in s.parents)
    return target.parents[0], target.id, child.id


def test_what_comes_of_the_cancelled_is_blocked_and_does_not_come_back(plan: Plan) -> None:
    first, second, third = chain(plan)
    stranger = next(key for key, shard in plan.shards.items() if not shard.parents and key != first)
    members = (first, second, third, stranger)
    found = what_to_cancel(
        plan, known(plan, members), seen(plan, submission(*members)), [first], led=False
    )
    assert found.others == [second, third, stranger]
    assert found.returning == [stranger]
    assert {second, third} <= set(found.blocked), "at any depth"
    assert stranger not in found.blocked


def test_what_runs_in_a_job_of_its_own_is_not_blocked_by_its_parent(plan: Plan) -> None:
    first, second, third = chain(plan)
    states_ = known(plan, (first,)) | {second: State("running"), third: State("done")}
    found = what_to_cancel(plan, states_, seen(plan, submission(first)), [first], led=False)
    assert not {second, third} & set(found.blocked)


def test_a_child_whose_parent_comes_back_is_cancelled_by_itself(plan: Plan) -> None:
    """Its parent only shares a job with another that was meant."""
    first, second, _ = chain(plan)
    stranger = next(key for key, shard in plan.shards.items() if not shard.parents and key != first)
    observation = seen(plan, submission(first, stranger))
    states_ = known(plan, (first, stranger))
    found = what_to_cancel(plan, states_, observation, [second, stranger], led=True)
    assert (found.meant, found.returning) == ([stranger, second], [first])


def stale(store: Store, plan: Plan) -> tuple[str, str]:
    """A target whose parent has handed over another model since."""
    parent, child, _ = chain(plan)
    for key, digest, parents in ((parent, "new", {}), (child, "d", {parent: "old"})):
        store.write_shard(plan.shards[key])
        store.claim(claim(key, 1))
        store.end_attempt(key, 1, finished())
        store.write_result(result(key, digest, parents))
    return parent, child


def of_folder(store: Store, plan: Plan, **sights: Sight) -> tuple[Observation, dict[str, State]]:
    look = observe(store, plan, lambda asked: {job.name: sights[job.name] for job in asked}, 9.0)
    return look, states(plan, look.evidence)


def test_a_stale_shard_that_has_no_job_yet_is_cancelled(plan: Plan, tmp_path: Path) -> None:
    store = Store(tmp_path)
    _, child = stale(store, plan)
    look, states_ = of_folder(store, plan)
    assert states_[child].name == "stale"
    doomed = what_to_cancel(plan, states_, look, [child], led=True)
    assert doomed.unsent == (child,)
    carry_out(store, doomed, client=None)
    look, states_ = of_folder(store, plan)
    failure = states_[child].failure
    assert failure
    assert (states_[child].name, failure.cls, states_[child].retry) == (
        "failed", "cancelled", False
    )  # fmt: skip
    store.pardon(child, time.time())
    assert of_folder(store, plan)[1][child].name == "stale", "a person has said so"


@pytest.mark.parametrize("by", ["xtl cancel", "scancel"])
def test_a_stale_shard_that_waits_in_a_queue_is_cancelled(
    plan: Plan, tmp_path: Path, by: str
) -> None:
    store = Store(tmp_path)
    _, child = stale(store, plan)
    job = submission(child).model_copy(update={"shards": ((child, 2),)})
    store.submissions.write(job)
    look, states_ = of_folder(store, plan, one=Sight("alive", "PENDING", job="7_0"))
    assert states_[child].name == "queued"
    if by == "xtl cancel":
        carry_out(store, what_to_cancel(plan, states_, look, [child], led=False), client=None)
    over = Sight("gone", "CANCELLED", failure=Failure(cls="cancelled", line="by hand"), job="7_0")
    settle(store, of_folder(store, plan, one=over)[0])
    failure = of_folder(store, plan)[1][child].failure
    assert failure
    assert failure.cls == "cancelled"


def test_a_job_that_slurm_or_its_owner_holds_is_cancelled_at_once_and_for_good(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no ranks that could be asked to save."""
    told = tmp_path / "told"
    (tmp_path / "bin").mkdir()
    scancel = tmp_path / "bin" / "scancel"
    scancel.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    scancel.chmod(0o755)
    monkeypatch.setenv("PATH", str(scancel.parent), prepend=":")
    store, (first, *_) = Store(tmp_path / "sweep"), plan.shards
    store.write_shard(plan.shards[first])
    store.submissions.write(submission(first))
    for reason in ("JobHeldUser", "launch failed requeued held"):
        rows = parse_queue(f"25|0|rec-plug|PENDING||N/A|N/A|{reason}", 0.0)
        ((_, held),) = sights(rows, None).items()
        assert (held.liveness, held.stuck, held.job) == ("alive", True, "25_0")
        look, states_ = of_folder(store, plan, one=held)
        doomed = what_to_cancel(plan, states_, look, [first], led=False)
        assert [job.runs for job in doomed.jobs] == [False]
        carry_out(store, doomed, Client())
    assert told.read_text() == "25_0\n25_0\n", "no signal alone, which would find nobody"
    rows = parse_queue("25|0|rec-plug|CANCELLED||N/A|N/A|JobHeldUser", 0.0)
    ((_, over),) = sights(rows, None).items()
    settle(store, of_folder(store, plan, one=over)[0])
    failure = of_folder(store, plan)[1][first].failure
    assert failure
    assert (failure.cls, failure.line) == ("cancelled", "a person cancelled it while it waited")


def test_a_second_cancel_on_a_job_keeps_the_first(plan: Plan, tmp_path: Path) -> None:
    """The job still saves for the first shard's sake when the second is meant too."""
    store, (first, second, *_) = Store(tmp_path), plan.shards
    job = submission(first, second)
    store.submissions.write(job)
    for key in (first, second):
        store.write_shard(plan.shards[key])
    store.claim(claim(first, 1).model_copy(update={"submission": job.name}))
    for chosen in (first, second):
        look, states_ = of_folder(store, plan, one=RUNS)
        doomed = what_to_cancel(plan, states_, look, [chosen], led=False)
        carry_out(store, doomed, client=None)
    assert (doomed.meant, doomed.others) == ([first, second], []), "the first does not come back"
    store.submissions.note_cancelled(job.name, [second])
    assert store.submissions.cancelled(job.name) == frozenset([first, second])
    store.end_attempt(first, 1, End(status="stopped", step=5, finished=3.0))
    settle(store, of_folder(store, plan, one=Sight("gone", "FAILED", job="7_0"))[0])
    failure = of_folder(store, plan)[1][first].failure
    assert failure
    assert failure.cls == "cancelled"


@dataclass
class TwoJobs:
    """One that waits and one that runs, for a shard each, and a scancel that says no where `no`
    holds of its words."""

    store: Store
    doomed: Cancellation
    programs: Path

    def cancel(self, no: str) -> str:
        """What a person is told."""
        scancel = self.programs / "scancel"
        say = 'echo "scancel: error: Access/permission denied" >&2; exit 1'
        scancel.write_text(f'#!/bin/sh\ncase "$*" in {no}) {say};; esac\n')
        scancel.chmod(0o755)
        with pytest.raises(UserError) as caught:
            carry_out(self.store, self.doomed, Client())
        return str(caught.value)

    def marks(self) -> list[frozenset[str] | None]:
        return [self.store.submissions.cancelled(job.submission.name) for job in self.doomed.jobs]


@pytest.fixture
def two_jobs(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoJobs:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    store, (first, second, *_) = Store(tmp_path / "sweep"), plan.shards
    waits = CancelledJob(submission(first), Sight("alive", "PENDING", job="7_0"), (first,))
    runs = CancelledJob(submission(second, name="two"), replace(RUNS, job="7_1"), (second,))
    for job in (waits, runs):
        store.submissions.write(job.submission)
    return TwoJobs(store, Cancellation((waits, runs)), tmp_path / "bin")


def test_what_slurm_was_told_before_it_said_no_stays_cancelled(two_jobs: TwoJobs) -> None:
    waits, _ = two_jobs.doomed.jobs
    said = two_jobs.cancel(no="*--signal*")
    assert said == ("Slurm: scancel: Access/permission denied: cancelled 1 of 2 jobs, not 7_1")
    assert two_jobs.marks() == [frozenset(waits.meant), None]


def test_where_slurm_said_no_to_all_nothing_is_cancelled(two_jobs: TwoJobs) -> None:
    assert two_jobs.cancel(no="*").endswith(": not cancelled")
    assert two_jobs.marks() == [None, None]


def test_of_several_jobs_in_one_call_only_those_are_spared_that_slurm_refused(
    two_jobs: TwoJobs,
) -> None:
    both = tuple(
        replace(job, sight=Sight("alive", "PENDING", job=job.sight.job))
        for job in two_jobs.doomed.jobs
    )
    two_jobs.doomed = Cancellation(both)
    assert two_jobs.cancel(no="*7_1*").endswith("cancelled 1 of 2 jobs, not 7_1")
    assert two_jobs.marks() == [frozenset(both[0].meant), None]


def test_a_cancel_that_was_not_heard_leaves_what_was_meant_before(two_jobs: TwoJobs) -> None:
    waits, runs = two_jobs.doomed.jobs
    two_jobs.store.submissions.note_cancelled(runs.submission.name, ["earlier"])
    two_jobs.cancel(no="*--signal*")
    assert two_jobs.marks() == [frozenset(waits.meant), frozenset(["earlier"])]


def test_an_array_on_its_way_to_slurm_is_cancelled_without_a_word_to_it(
    plan: Plan, tmp_path: Path
) -> None:
    store, (first, *_) = Store(tmp_path), plan.shards
    job = submission(first)
    store.submissions.write(job)
    way = Sight("unknown", dropped=True)
    doomed = what_to_cancel(plan, known(plan, (first,)), seen(plan, job, sight=way), [first], True)
    assert [(one.meant, one.sent) for one in doomed.jobs] == [((first,), False)]
    carry_out(store, doomed, Client("/nowhere"))
    assert store.submissions.cancelled(job.name) == frozenset([first])
