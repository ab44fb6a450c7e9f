"""Which jobs go for which shards, what is at stake, and what a person's word outdoes. Pure, but for
the folder that keeps that word."""

from __future__ import annotations

from pathlib import Path

from tests.launch.records import attempt, claim, stopped
from xtl.launch.cancelling import at_stake, carry_out, what_to_cancel
from xtl.launch.observe import Observation, observe, settle
from xtl.launch.records import Attempt, End, Heartbeat, Submission
from xtl.launch.sight import Sight
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
