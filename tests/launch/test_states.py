"""The state of a shard, from what is on disk and what the scheduler says. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.launch.records import attempt, failed, finished, result, stopped, why
from xtl.launch.failures import root_cause
from xtl.launch.policy import host_ooms
from xtl.launch.reconcile import Bundle, decide
from xtl.launch.records import Failure, FailureClass
from xtl.launch.sight import Liveness, Sight
from xtl.launch.states import Evidence, State, states, todo, tries_of
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard


def shards(plan: Plan) -> dict[str, Shard]:
    """The chain of the small plan, by a short name each."""
    by_name = {shard.name: shard for shard in plan.shards.values()}
    chain = "lookup-pool 10% epochs s1"
    return {
        "intermediate": by_name[chain],
        "target": by_name[f"{chain} → lookup-qa"],
        "evaluation": by_name[f"{chain} → lookup-qa · lookup-qa"],
    }


def state(plan: Plan, name: str, evidence: dict[str, Evidence]) -> State:
    chain = shards(plan)
    known = {chain[key].id: value for key, value in evidence.items()}
    return states(plan, known)[chain[name].id]


def done(shard: Shard, digest: str = "d", parent: str = "d") -> Evidence:
    parents = dict.fromkeys(shard.parents, parent)
    stage_digest = None if shard.stage == "evaluate" else digest
    found = result(shard.id, stage_digest, parents, shard.stage)
    return Evidence(result=found, artifact=stage_digest)


def all_done(plan: Plan) -> dict[str, Evidence]:
    return {shard.id: done(shard) for shard in plan.shards.values()}


def test_nothing_on_disk_is_missing(plan: Plan) -> None:
    assert {state.name for state in states(plan, {}).values()} == {"missing"}


def test_a_valid_result_is_done(plan: Plan) -> None:
    assert {state.name for state in states(plan, all_done(plan)).values()} == {"done"}


def test_an_open_attempt_of_a_live_job_is_running(plan: Plan) -> None:
    evidence = Evidence(attempts=(attempt(1),), job="alive")
    assert state(plan, "target", {"target": evidence}).name == "running"


def test_a_shard_whose_job_is_back_in_the_queue_is_queued(plan: Plan) -> None:
    waits = Sight(liveness="alive", state="PENDING")
    for end in (None, stopped(3)):
        evidence = Evidence(attempts=(attempt(1, end),), job="alive", sight=waits)
        assert state(plan, "target", {"target": evidence}).name == "queued"


def test_what_a_person_cancelled_before_it_began_waits_for_a_persons_word(plan: Plan) -> None:
    start = why("cancelled")
    found = state(plan, "target", {"target": Evidence(false_starts=(start,))})
    assert (found.name, found.retry) == ("failed", False)


def test_a_persons_cancelling_is_told_from_a_preemption(plan: Plan) -> None:
    """Both end with a save; the scheduler knows which it was."""
    noted = (Failure(cls="cancelled", line="cancelled by user 7"),)
    evidence = Evidence(attempts=(attempt(1, stopped(3)),), noted=noted, job="gone")
    found = state(plan, "target", {"target": evidence})
    assert found.failure == noted[0]
    assert not found.retry


def test_the_schedulers_word_beats_a_lost_connection_and_not_a_ranks_own(plan: Plan) -> None:
    lost = Failure(cls="communication", line="Connection closed by peer", rank=0)
    memory = Failure(cls="host-oom", line="OUT_OF_MEMORY")
    own = Failure(cls="code", line="KeyError: 'x'", rank=1)
    assert root_cause([lost, memory]) == memory
    assert root_cause([lost, memory, own]) == own


def test_a_shard_that_a_live_job_will_come_to_is_queued(plan: Plan) -> None:
    assert state(plan, "target", {"target": Evidence(waiting=True)}).name == "queued"


def test_an_open_attempt_of_a_job_that_is_gone_has_failed_for_reasons_unknown(plan: Plan) -> None:
    found = state(plan, "target", {"target": Evidence(attempts=(attempt(1),), job="gone")})
    assert found.name == "failed"
    assert found.failure
    assert found.failure.cls == "unknown"
    assert found.retry


def test_an_open_attempt_that_nobody_can_be_asked_about_is_unknown_then_lost(plan: Plan) -> None:
    def of_a_job(liveness: Liveness) -> State:
        return state(plan, "target", {"target": Evidence(attempts=(attempt(1),), job=liveness)})

    assert of_a_job("unknown").name == "unknown"
    assert of_a_job("lost").name == "lost"


@pytest.mark.parametrize("cls", ["code", "configuration", "data", "diverged", "cancelled"])
def test_what_would_fail_again_is_not_tried_again(plan: Plan, cls: FailureClass) -> None:
    found = state(plan, "target", {"target": Evidence(attempts=(attempt(1, failed(cls)),))})
    assert (found.name, found.retry) == ("failed", False)


def test_a_passing_failure_is_tried_again_within_its_budget(plan: Plan) -> None:
    def after(times: int) -> bool:
        tries = tuple(attempt(number, failed("communication")) for number in range(1, times + 1))
        return state(plan, "target", {"target": Evidence(attempts=tries)}).retry

    assert [after(times) for times in (1, 2, 3)] == [True, True, False]


def test_a_valid_result_is_done_whatever_became_of_its_job(plan: Plan) -> None:
    """Killed between the result and the attempt's end; or on a host that cannot be asked."""
    for job in ("gone", "unknown", "lost"):
        target = shards(plan)["target"]
        evidence = all_done(plan)
        found = evidence[target.id].result
        evidence[target.id] = Evidence(found, "d", attempts=(attempt(1),), job=job)
        assert states(plan, evidence)[target.id].name == "done"


def test_a_stale_shard_whose_rerun_fails_for_good_is_failed(plan: Plan) -> None:
    chain = shards(plan)
    evidence = all_done(plan)
    evidence[chain["intermediate"].id] = done(chain["intermediate"], digest="another")
    old = evidence[chain["target"].id].result
    tries = (attempt(1, finished()), attempt(2, failed("code")))
    evidence[chain["target"].id] = Evidence(old, "d", attempts=tries)
    assert states(plan, evidence)[chain["target"].id].name == "failed"
    assert chain["target"].id not in submitted(plan, evidence)


def test_a_released_parent_whose_rerun_fails_for_good_is_failed(plan: Plan) -> None:
    chain = shards(plan)
    evidence = all_done(plan)
    old = evidence[chain["intermediate"].id].result
    tries = (attempt(1, finished()), attempt(2, failed("code")))
    evidence[chain["intermediate"].id] = Evidence(old, None, attempts=tries)
    evidence[chain["target"].id] = Evidence()
    known = states(plan, evidence)
    assert known[chain["intermediate"].id].name == "failed"
    assert known[chain["target"].id].name == "blocked"
    assert submitted(plan, evidence) == set()


def test_a_stale_shard_that_a_live_job_will_run_is_not_submitted_twice(plan: Plan) -> None:
    chain = shards(plan)
    evidence = all_done(plan)
    evidence[chain["intermediate"].id] = done(chain["intermediate"], digest="another")
    old = evidence[chain["target"].id].result
    evidence[chain["target"].id] = Evidence(old, "d", waiting=True)
    assert states(plan, evidence)[chain["target"].id].name == "queued"


def test_jobs_that_never_began_after_an_attempt_have_a_budget_of_their_own(plan: Plan) -> None:
    for times, retry in ((2, True), (3, False)):
        evidence = Evidence(attempts=(attempt(1),), job="gone", false_starts=(why(),) * times)
        assert state(plan, "target", {"target": evidence}).retry == retry


def test_a_job_that_was_preempted_before_it_began_is_tried_again(plan: Plan) -> None:
    start = why("preempted")
    assert state(plan, "target", {"target": Evidence(false_starts=(start,))}).retry
    assert not state(plan, "target", {"target": Evidence(false_starts=(start,) * 11)}).retry


def test_a_pardon_gives_a_fresh_budget(plan: Plan) -> None:
    tries = tuple(attempt(number, failed("code")) for number in (1, 2))
    found = state(plan, "target", {"target": Evidence(attempts=tries, pardoned=2)})
    assert found.name == "missing"


def test_a_stopped_attempt_is_resumed_while_steps_advance(plan: Plan) -> None:
    def after(*steps: int) -> bool:
        tries = tuple(attempt(number, stopped(step)) for number, step in enumerate(steps, 1))
        return state(plan, "target", {"target": Evidence(attempts=tries)}).retry

    assert after(10)
    assert after(10, 20, 30, 40, 50, 60)
    assert after(500, 900, 0), "one may end before its first save"
    assert after(10, *[20] * 10)
    assert not after(10, *[20] * 11)


def test_preemptions_do_not_use_up_the_patience_with_time_limits(plan: Plan) -> None:
    """An evaluation saves nothing: three preemptions, and then its first time limit."""
    limit = stopped(0).model_copy(update={"cause": "time-limit"})
    ends = [stopped(0), stopped(0), stopped(0), limit]
    tries = tuple(attempt(number, end) for number, end in enumerate(ends, 1))
    assert state(plan, "target", {"target": Evidence(attempts=tries)}).retry


def test_a_shard_that_is_trained_again_after_it_was_done_starts_anew(plan: Plan) -> None:
    limits = [stopped(step).model_copy(update={"cause": "time-limit"}) for step in (50, 100, 150)]
    ends = [stopped(100), stopped(200), finished(), *limits]
    tries = tuple(attempt(number, end) for number, end in enumerate(ends, 1))
    assert state(plan, "target", {"target": Evidence(attempts=tries)}).retry


def test_a_time_limit_that_is_met_without_progress_is_met_again(plan: Plan) -> None:
    def after(*steps: int) -> bool:
        ends = [stopped(step).model_copy(update={"cause": "time-limit"}) for step in steps]
        tries = tuple(attempt(number, end) for number, end in enumerate(ends, 1))
        return state(plan, "target", {"target": Evidence(attempts=tries)}).retry

    assert after(10, 20, 20)
    assert not after(10, 20, 20, 20, 20)
    assert not after(0, 0, 0, 0), "an evaluation saves nothing"


@pytest.mark.parametrize(
    ("job", "name"),
    [("alive", "running"), ("unknown", "unknown"), ("gone", "failed"), ("lost", "failed")],
)
def test_why_a_rank_lost_the_others_is_judged_when_their_job_is_over(
    plan: Plan, job: Liveness, name: str
) -> None:
    evidence = Evidence(attempts=(attempt(1, failed("communication")),), job=job)
    assert state(plan, "target", {"target": evidence}).name == name


def test_it_then_asks_for_more_memory_where_that_was_why(plan: Plan) -> None:
    memory = Failure(cls="host-oom", line="OUT_OF_MEMORY")
    lost = Evidence(attempts=(attempt(1, failed("communication")),), job="alive")
    over = replace(lost, noted=(memory,), job="gone")

    def asked(own: Evidence) -> list[float]:
        target = shards(plan)["target"].id
        evidence = all_done(plan) | {target: own}
        decision = decide(plan, states(plan, evidence), evidence, "training")
        return [bundle.memory for bundle in decision.bundles if target in bundle.members]

    assert (asked(lost), asked(over)) == ([], [1.5])


def test_a_mistake_that_a_rank_has_noted_is_told_at_once(plan: Plan) -> None:
    own = Failure(cls="code", line="KeyError: 'x'", rank=1)
    lost = attempt(1, failed("communication"))
    evidence = Evidence(attempts=(lost,), noted=(own,), job="alive")
    found = state(plan, "target", {"target": evidence})
    assert (found.name, found.failure) == ("failed", own)


def test_a_lost_connection_is_an_echo_of_another_ranks_traceback(plan: Plan) -> None:
    noted = (
        Failure(cls="communication", line="Connection closed by peer", rank=0),
        Failure(cls="code", line="KeyError: 'x'", rank=1),
    )
    evidence = Evidence(attempts=(attempt(1, failed("communication")),), noted=noted)
    found = state(plan, "target", {"target": evidence})
    assert found.failure == noted[1]


def test_jobs_that_never_began_count_against_the_budget(plan: Plan) -> None:
    def after(times: int) -> State:
        return state(
            plan, "intermediate", {"intermediate": Evidence(false_starts=(why(),) * times)}
        )

    assert [after(times).retry for times in (1, 2, 3)] == [True, True, False]


def test_children_of_a_failed_parent_are_blocked_by_name(plan: Plan) -> None:
    evidence = {"intermediate": Evidence(attempts=(attempt(1, failed("code")),))}
    for name in ("target", "evaluation"):
        found = state(plan, name, evidence)
        assert (found.name, found.parent) == ("blocked", "lookup-pool 10% epochs s1")


def test_a_result_of_another_parent_is_stale_and_its_children_are_not_yet(plan: Plan) -> None:
    evidence = all_done(plan)
    chain = shards(plan)
    evidence[chain["intermediate"].id] = done(chain["intermediate"], digest="another")
    known = states(plan, evidence)
    assert known[chain["target"].id].name == "stale"
    assert known[chain["evaluation"].id].name == "done"


def test_an_artifact_that_is_not_its_results_is_stale(plan: Plan) -> None:
    target = shards(plan)["target"]
    evidence = Evidence(result=result(target.id, "d", {target.parents[0]: "d"}), artifact="other")
    assert state(plan, "target", {"target": evidence}).name == "stale"


# -- what is submitted ---------------------------------------------------------------------------
def submitted(plan: Plan, evidence: dict[str, Evidence]) -> set[str]:
    known = states(plan, evidence)
    return todo(plan, known, {key: evidence.get(key, Evidence()) for key in plan.shards})


def test_a_whole_sweep_is_submitted_once(plan: Plan) -> None:
    assert submitted(plan, {}) == set(plan.shards)
    assert submitted(plan, all_done(plan)) == set()


def test_of_a_deleted_result_exactly_that_shard_runs_again(plan: Plan) -> None:
    for shard in plan.shards.values():
        evidence = all_done(plan)
        evidence[shard.id] = Evidence(artifact=evidence[shard.id].artifact)
        assert submitted(plan, evidence) == {shard.id}


def test_a_released_parent_runs_again_when_a_child_needs_it(plan: Plan) -> None:
    chain = shards(plan)
    evidence = all_done(plan)
    released = evidence[chain["intermediate"].id]
    evidence[chain["intermediate"].id] = Evidence(result=released.result, artifact=None)
    assert submitted(plan, evidence) == set()
    evidence[chain["target"].id] = Evidence()
    assert submitted(plan, evidence) == {chain["intermediate"].id, chain["target"].id}


def test_children_of_a_parent_that_runs_elsewhere_wait(plan: Plan) -> None:
    evidence = all_done(plan)
    chain = shards(plan)
    for shard in chain.values():
        evidence[shard.id] = Evidence()
    evidence[chain["intermediate"].id] = Evidence(attempts=(attempt(1),), job="alive")
    assert submitted(plan, evidence) == set()


def test_where_a_scheduler_can_hold_jobs_back_children_are_submitted_behind_their_parents(
    plan: Plan,
) -> None:
    evidence = all_done(plan)
    chain = shards(plan)
    for shard in chain.values():
        evidence[shard.id] = Evidence()
    evidence[chain["intermediate"].id] = Evidence(attempts=(attempt(1),), job="alive")
    known = states(plan, evidence)
    (bundle,) = decide(plan, known, evidence, "chain", ahead=True).bundles
    assert bundle.members == [chain["target"].id, chain["evaluation"].id]
    assert bundle.after == {chain["intermediate"].id}


def test_each_training_of_its_own_bundle_waits_for_its_parents(plan: Plan) -> None:
    chain = shards(plan)
    evidence = all_done(plan) | {shard.id: Evidence() for shard in chain.values()}
    first, second = decide(plan, states(plan, evidence), evidence, "training").bundles
    assert (first.members, first.after) == ([chain["intermediate"].id], frozenset())
    assert second.after == {chain["intermediate"].id}


def test_the_next_attempt_has_the_next_number(plan: Plan) -> None:
    target = shards(plan)["target"]
    evidence = all_done(plan)
    evidence[target.id] = Evidence(attempts=(attempt(1, stopped(3)), attempt(2, stopped(7))))
    decision = decide(plan, states(plan, evidence), evidence, "chain")
    assert decision.bundles == (Bundle(((target.id, 3),)),)


def test_artifacts_are_released_when_no_planned_child_needs_them(plan: Plan) -> None:
    from dataclasses import replace

    chain = shards(plan)
    evidence = all_done(plan)

    def releases(keep: str, known: dict[str, Evidence]) -> set[str]:
        kept = replace(plan, keep=keep)
        return set(decide(kept, states(kept, known), known, "chain").releases)

    trainings = {shard.id for shard in plan.shards.values() if shard.stage != "evaluate"}
    assert releases("all", evidence) == set()
    assert releases("targets", evidence) == {chain["intermediate"].id}
    assert releases("nothing", evidence) == trainings
    waiting = evidence | {chain["evaluation"].id: Evidence()}
    assert chain["target"].id not in releases("nothing", waiting)


# -- earlier tries ------------------------------------------------------------------------------
MEMORY = Failure(cls="host-oom", line="OUT_OF_MEMORY")


def killed(times: int) -> Evidence:
    """Out of host memory again and again; rank 0 never got to say a word."""
    tries = [attempt(number) for number in range(1, times + 1)]
    kept = tuple(entry.model_copy(update={"noted": (MEMORY,)}) for entry in tries)
    return Evidence(attempts=kept, noted=(MEMORY,), job="gone")


def test_what_the_scheduler_told_of_earlier_tries_counts_against_their_budget(plan: Plan) -> None:
    assert [state(plan, "target", {"target": killed(n)}).retry for n in (1, 2, 3)] == [
        True, True, False,
    ]  # fmt: skip
    assert host_ooms(tries_of(killed(2))) == 2, "and more memory is asked for each time"


def test_what_slurm_requeued_by_itself_was_preempted_and_spends_no_other_budget(
    plan: Plan,
) -> None:
    tries = [attempt(number) for number in (1, 2, 3)]
    again = tuple(
        entry.model_copy(update={"claim": entry.claim.model_copy(update={"restarts": number})})
        for number, entry in enumerate(tries)
    )
    assert tries_of(Evidence(attempts=again, job="gone")).classes == (
        "preempted", "preempted", "unknown",
    )  # fmt: skip
    assert state(plan, "target", {"target": Evidence(attempts=again, job="gone")}).retry


def test_a_number_that_an_unreadable_claim_took_is_not_given_again(plan: Plan) -> None:
    target = shards(plan)["target"].id
    evidence = all_done(plan) | {target: Evidence(taken=2)}
    (bundle,) = decide(plan, states(plan, evidence), evidence, "training").bundles
    assert bundle.shards[0] == (target, 3)
