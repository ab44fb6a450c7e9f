"""Where the device time of a sweep went: to its results, and to what, by what, came to nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.launch.records import claim, result
from xtl.launch.accounting import Accounts, account, divide, left_of
from xtl.launch.histories import History, from_store
from xtl.launch.records import (
    Attempt,
    End,
    Failure,
    FailureClass,
    Heartbeat,
    Result,
    TrainingSummary,
)
from xtl.launch.removal import set_aside
from xtl.launch.spells import Spell
from xtl.launch.states import State
from xtl.launch.store import Store
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard, TrainSpec

DONE, RUNNING, AGAIN = State("done"), State("running"), State("failed", retry=True)
FOR_GOOD = State("failed")


def tried(
    shard: str,
    number: int,
    since: float,
    until: float,
    *,
    cls: FailureClass | None = None,
    status: str | None = "done",
    began: int = 0,
    step: int = 40,
    saved: int = 0,
    start_up: float = 0.0,
    **changes: Any,
) -> Attempt:
    """On two ranks. It failed of `cls`; without a `status` it left no word but its heartbeat."""
    own = claim(shard, number, job=f"{shard}{number}").model_copy(
        update={"started": since, **changes}
    )
    failure = Failure(cls=cls, line="why") if cls and status == "failed" else None
    end = status and End.model_validate(
        {"status": status, "failure": failure, "cause": cls or "preempted", "step": step,
         "finished": until}
    )  # fmt: skip
    beat = Heartbeat(
        attempt=number, time=until, step=step, total=40, saved=saved, began=began,
        ready=since + start_up,
    )  # fmt: skip
    return Attempt(claim=own, end=end or None, saved=saved, beat=beat)


def past(*attempts: Attempt, by: int | None = None, **changes: Any) -> History:
    """With a result that attempt `by` gave."""
    causes = [
        (entry.end.failure.cls if entry.end.failure else entry.end.cause or "preempted")
        if entry.end
        else "node"
        for entry in attempts
    ]
    found: Result | None = None
    if by is not None:
        own = next(entry for entry in attempts if entry.claim.attempt == by)
        began = own.beat.began if own.beat else 0
        training = TrainingSummary(updates=40, resumed_from=began, final_loss=1.0, useful_tokens=1)
        found = result(own.claim.shard).model_copy(update={"attempt": by, "training": training})
    return History(attempts, tuple(causes), found, **changes)


@pytest.fixture
def training(plan: Plan) -> Shard:
    return next(shard for shard in plan.shards.values() if shard.stage == "target")


def accounts(
    plan: Plan, shard: Shard, state: State, *attempts: Attempt, **changes: Any
) -> Accounts:
    known = dict.fromkeys(plan.shards, State("missing")) | {shard.id: state}
    return account(plan, known, {shard.id: past(*attempts, **changes)}, None)


def seconds(found: Accounts) -> tuple[float, dict[str, float]]:
    """Device-seconds kept, and wasted by cause."""
    return found.all_kept / 1000, {cause: ms / 1000 for cause, ms in found.causes.items()}


# -- one shard --------------------------------------------------------------------------------
def test_one_attempt_is_its_time_on_every_rank(plan: Plan, training: Shard) -> None:
    found = accounts(plan, training, DONE, tried(training.id, 1, 100, 200), by=1)
    assert seconds(found) == (200, {})


def test_the_start_of_a_process_belongs_to_the_first_shard_that_it_claims(
    plan: Plan, training: Shard
) -> None:
    """Launched 20 s before its claim; the next shard of the same job begins where it ended."""
    child = next(shard for shard in plan.shards.values() if training.id in shard.parents)
    one = tried(training.id, 1, 120, 200, launched=100.0, submission="s", job="7")
    two = tried(child.id, 1, 205, 300, launched=100.0, submission="s", job="7", step=5)
    known = dict.fromkeys(plan.shards, State("missing"))
    known |= {training.id: DONE, child.id: DONE}
    histories = {training.id: past(one, by=1), child.id: past(two, by=1)}
    found = account(plan, known, histories, None)
    assert found.kept == {"target": 200_000, "evaluate": 200_000}


def test_a_failed_attempt_that_nobody_resumed_is_wasted_by_its_class(
    plan: Plan, training: Shard
) -> None:
    one = tried(training.id, 1, 100, 200, cls="node", status="failed")
    two = tried(training.id, 2, 300, 400)
    assert seconds(accounts(plan, training, DONE, one, two, by=2)) == (200, {"node": 200})


def test_of_a_killed_attempt_what_came_after_its_checkpoint_is_wasted(
    plan: Plan, training: Shard
) -> None:
    """Died at step 40; the next one went on from step 30."""
    one = tried(training.id, 1, 100, 200, status=None, saved=30)
    two = tried(training.id, 2, 300, 400, began=30)
    assert seconds(accounts(plan, training, DONE, one, two, by=2)) == (350, {"node": 50})


def test_a_stopped_attempt_wastes_the_next_one_s_start_up_alone(
    plan: Plan, training: Shard
) -> None:
    one = tried(
        training.id, 1, 100, 200, cls="time-limit", status="stopped", step=20, saved=20,
        start_up=10,
    )  # fmt: skip
    two = tried(training.id, 2, 300, 400, began=20, start_up=10)
    assert seconds(accounts(plan, training, DONE, one, two, by=2)) == (380, {"start-up": 20})


def test_a_damaged_checkpoint_wastes_what_had_led_to_it(plan: Plan, training: Shard) -> None:
    """The third attempt passed over the second's and went on from the first's."""
    one = tried(training.id, 1, 0, 100, cls="preempted", status="stopped", step=10, saved=10)
    two = tried(training.id, 2, 200, 300, status=None, began=10, step=20, saved=20)
    three = tried(training.id, 3, 400, 500, began=10)
    assert seconds(accounts(plan, training, DONE, one, two, three, by=3)) == (400, {"node": 200})


def test_an_attempt_that_ended_in_its_start_up_costs_no_checkpoint(
    plan: Plan, training: Shard
) -> None:
    one = tried(training.id, 1, 0, 100, cls="preempted", status="stopped", step=10, saved=10)
    own = claim(training.id, 2, job="2").model_copy(update={"started": 200.0})
    beat = Heartbeat(attempt=2, time=230.0, step=0, total=0)
    two = Attempt(claim=own, end=None, beat=beat)
    assert seconds(accounts(plan, training, AGAIN, one, two)) == (200, {"node": 60})


def test_an_evaluation_that_is_interrupted_begins_anew(plan: Plan) -> None:
    shard = next(shard for shard in plan.shards.values() if shard.stage == "evaluate")
    one = tried(shard.id, 1, 100, 200, cls="preempted", status="stopped", step=0)
    two = tried(shard.id, 2, 300, 400, began=7)  # the first that it said, after its first batch
    assert seconds(accounts(plan, shard, DONE, one, two, by=2)) == (200, {"preempted": 200})


@pytest.mark.parametrize(("state", "kept"), [(AGAIN, 150), (State("missing"), 150), (FOR_GOOD, 0)])
def test_what_was_saved_is_kept_as_long_as_it_will_be_gone_on_with(
    plan: Plan, training: Shard, state: State, kept: int
) -> None:
    one = tried(training.id, 1, 100, 200, cls="code", status="failed", saved=30)
    found = seconds(accounts(plan, training, state, one))
    assert found == (kept, {"code": 200 - kept})


def test_what_led_to_a_failure_for_good_is_wasted_by_that(plan: Plan, training: Shard) -> None:
    one = tried(training.id, 1, 100, 200, cls="time-limit", status="stopped", step=20, saved=20)
    two = tried(training.id, 2, 300, 400, cls="code", status="failed", began=20, saved=20)
    assert seconds(accounts(plan, training, FOR_GOOD, one, two)) == (0, {"code": 400})


def test_what_runs_is_kept_so_far(plan: Plan, training: Shard) -> None:
    one = tried(training.id, 1, 100, 150, status=None, step=7)
    assert seconds(accounts(plan, training, RUNNING, one)) == (100, {})


def test_a_result_before_its_attempt_s_last_word_is_a_result(plan: Plan, training: Shard) -> None:
    """Rank 0 was killed between the two."""
    one = tried(training.id, 1, 100, 200, status=None)
    assert seconds(accounts(plan, training, DONE, one, by=1)) == (200, {})


def test_a_stale_result_is_wasted(plan: Plan, training: Shard) -> None:
    one = tried(training.id, 1, 100, 200)
    assert seconds(accounts(plan, training, State("stale"), one, by=1)) == (0, {"stale": 200})


def test_a_result_that_is_not_there_any_more_was_lost(plan: Plan, training: Shard) -> None:
    one, two = tried(training.id, 1, 100, 200), tried(training.id, 2, 300, 400)
    assert seconds(accounts(plan, training, DONE, one, two, by=2)) == (200, {"lost": 200})
    assert seconds(accounts(plan, training, State("missing"), one)) == (0, {"lost": 200})


def test_a_result_that_a_person_had_made_again_was_forced(plan: Plan, training: Shard) -> None:
    one, two = tried(training.id, 1, 100, 200), tried(training.id, 2, 300, 400)
    found = accounts(plan, training, DONE, one, two, by=2, forced=frozenset({1}))
    assert seconds(found) == (200, {"forced": 200})


def test_what_was_made_again_after_its_parent_was_had_been_stale(
    plan: Plan, training: Shard
) -> None:
    child = next(shard for shard in plan.shards.values() if training.id in shard.parents)
    parent = past(tried(training.id, 1, 0, 10), tried(training.id, 2, 300, 400), by=2)
    own = past(tried(child.id, 1, 20, 30), tried(child.id, 2, 500, 600), by=2)
    known = dict.fromkeys(plan.shards, State("missing"))
    known |= {training.id: DONE, child.id: DONE}
    found = account(plan, known, {training.id: parent, child.id: own}, None)
    assert found.wasted == {("target", "lost"): 20_000, ("evaluate", "stale"): 20_000}


def test_a_clock_that_went_back_costs_nothing(plan: Plan, training: Shard) -> None:
    one = tried(training.id, 1, 100, 50, cls="code", status="failed")
    assert accounts(plan, training, FOR_GOOD, one).used == 0


def test_an_attempt_that_left_no_sign_of_life_took_no_time(plan: Plan, training: Shard) -> None:
    one = Attempt(claim=claim(training.id, 1), end=None)
    assert accounts(plan, training, AGAIN, one).used == 0


CAUSES = st.sampled_from(["node", "code", "time-limit"])
SPELLS = st.lists(
    st.builds(
        Spell,
        number=st.just(0),
        start_up=st.integers(0, 10**7),
        work=st.integers(0, 10**9),
        began=st.none() | st.integers(0, 50),
        step=st.integers(0, 50),
        saved=st.integers(0, 50),
        ending=st.sampled_from(["done", "open", "over"]),
        cause=CAUSES,
    ),
    max_size=6,
)


@given(spells=SPELLS, lost=st.dictionaries(st.integers(1, 6), st.sampled_from(["stale", "code"])))
def test_used_is_kept_and_wasted_to_the_millisecond(spells: list[Spell], lost: Any) -> None:
    """Whatever the records say, torn and contradicting ones among them."""
    numbered = [
        Spell(**{**spell.__dict__, "number": number})
        for number, spell in zip(itertools.count(1), spells, strict=False)
    ]
    kept, wasted = divide(numbered, lost)
    assert kept + sum(wasted.values()) == sum(spell.start_up + spell.work for spell in spells)
    assert kept >= 0
    assert all(spent > 0 for spent in wasted.values())


# -- from a folder ----------------------------------------------------------------------------
def test_why_an_earlier_attempt_died_is_read_from_what_was_noted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (1, 2):
        store.claim(claim("a", number))
    store.note_failure("a", 1, Failure(cls="node", line="NODE_FAIL"))
    store.end_attempt("a", 2, End(status="failed", finished=1.0,
                                  failure=Failure(cls="code", line="x")))  # fmt: skip
    assert from_store(store, ["a"])["a"].causes == ("node", "code")


def test_a_result_that_was_set_aside_is_known_by_its_attempt(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim(claim("a", 1))
    store.end_attempt("a", 1, End(status="done", finished=200.0))
    store.write_result(result("a"))
    assert from_store(store, ["a"])["a"].forced == frozenset()
    set_aside(store, "a")
    assert from_store(store, ["a"])["a"].forced == {1}


# -- what is left -----------------------------------------------------------------------------
def test_what_runs_is_left_by_its_steps_and_what_failed_by_its_checkpoint(training: Shard) -> None:
    assert isinstance(training.spec, TrainSpec)
    half = training.spec.updates // 2
    running = past(tried(training.id, 1, 0, 100, status=None, step=10))
    failed = past(
        tried(training.id, 1, 0, 9, cls="node", status="failed", step=half + 9, saved=half)
    )
    assert left_of(training, RUNNING, running) == 0.75
    assert left_of(training, AGAIN, failed) == pytest.approx(0.5, abs=0.01)
    assert left_of(training, State("missing"), None) == 1


def test_a_lost_result_leaves_all_to_be_done(training: Shard) -> None:
    over = past(tried(training.id, 1, 0, 9, saved=30))
    assert left_of(training, State("missing"), over) == 1


def test_the_rest_is_corrected_by_what_is_finished(plan: Plan, training: Shard) -> None:
    """It took three times as long; what is failed for good or blocked waits for a person."""
    known = dict.fromkeys(plan.shards, State("missing")) | {training.id: DONE}
    other, last = [shard for shard in plan.shards if shard != training.id][:2]
    known[last] = FOR_GOOD
    work = {training.id: 100.0, other: 60.0, last: 40.0}
    histories = {training.id: past(tried(training.id, 1, 0, 150), by=1)}
    found = account(plan, known, histories, work)
    assert (found.left.said, found.stuck.said, found.left.finished) == (60, 40, 1)
    assert 60 < found.left.expected < 180
    assert found.left.low < found.left.expected < found.left.high
