"""What is done about a failure, within its budget, and how that is said. Pure."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.launch.records import attempt, failed
from xtl.launch.policy import RETRIES, Outlook, Policy, Tries, halvings, host_ooms, outlook
from xtl.launch.records import Attempt, Failure, FailureClass
from xtl.sweep.shard import Stage


def look(cls: FailureClass, tries: Tries, policy: Policy | None = None) -> Outlook:
    return outlook(Failure(cls=cls, line="why"), tries, policy or Policy())


def after(cls: FailureClass, times: int) -> Tries:
    ended = tuple(attempt(number, failed(cls)) for number in range(1, times + 1))
    return Tries(ended, (cls,) * times)


def with_batch(micro_batch: int, stage: Stage = "target", halved: int = 0) -> Tries:
    found = attempt(1, failed("gpu-oom"))
    fields = {"micro_batch": micro_batch, "stage": stage, "halvings": halved}
    claim = found.claim.model_copy(update=fields)
    return Tries((Attempt(claim=claim, end=found.end),), ("gpu-oom",))


def test_a_profile_changes_the_budgets_that_it_names_and_no_other() -> None:
    policy = Policy.model_validate({"retries": {"node": 7}, "stalls": {"time-limit": 1}})
    assert (policy.retries["node"], policy.retries["communication"]) == (7, 2)
    assert (policy.stalls["time-limit"], policy.stalls["preempted"]) == (1, 10)


@pytest.mark.parametrize("wrong", [{"retries": {"code": 1}}, {"same_failure": 1}, {"more": 1}])
def test_a_budget_for_what_is_never_retried_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)


def test_a_class_is_tried_again_as_often_as_its_budget_says() -> None:
    policy = Policy(retries={"node": 1})
    assert [look("node", after("node", times), policy).again for times in (1, 2)] == [True, False]


def test_tries_that_are_left_and_spent_are_told() -> None:
    assert "1 of 2" in look("communication", after("communication", 1)).words
    assert "2 further tries are spent" in look("communication", after("communication", 3)).words


def test_out_of_gpu_memory_halves_the_micro_batch_down_to_one() -> None:
    assert look("gpu-oom", with_batch(8)).words.startswith(
        "tried again by itself with micro-batch 4"
    )
    assert not look("gpu-oom", with_batch(1)).again
    assert "higher ZeRO stage" in look("gpu-oom", with_batch(1)).words


def test_an_evaluation_that_does_not_fit_halves_its_own_batches() -> None:
    assert look("gpu-oom", with_batch(1, "evaluate")).again
    assert not look("gpu-oom", with_batch(1, "evaluate", halved=4)).again


def test_halvings_add_up_over_attempts() -> None:
    last = with_batch(2, halved=1).attempts[-1].claim
    assert halvings(last, "gpu-oom") == 2
    assert halvings(last, "node") == 1


def test_out_of_host_memory_asks_for_more_each_time() -> None:
    assert "1.5 times the memory" in look("host-oom", after("host-oom", 1)).words
    assert "2.25 times" in look("host-oom", after("host-oom", 2)).words
    assert host_ooms(after("host-oom", 2)) == 2


def test_a_disk_that_is_full_again_though_the_sweeps_has_room_waits_for_a_person() -> None:
    assert look("storage", after("storage", 3)).again
    found = look("storage", after("storage", 4))
    assert not found.again
    assert "/dev/shm" in found.words


def test_a_full_disk_spends_no_try() -> None:
    nothing = Policy(retries=dict.fromkeys(RETRIES, 0))
    assert look("storage", after("storage", 3), nothing).again


@pytest.mark.parametrize("cls", ["code", "data", "configuration", "diverged", "cancelled"])
def test_what_would_happen_again_waits_for_a_person(cls: FailureClass) -> None:
    found = look(cls, after(cls, 1))
    assert not found.again
    assert "resubmit" in found.words or cls == "diverged"


def test_a_gpu_that_was_full_before_the_shard_began_is_tried_again_within_a_budget() -> None:
    """Somebody else's memory: halving its own batch would free none."""
    for times, again in ((1, True), (2, True), (3, False)):
        full: FailureClass = "gpu-oom"
        tries = Tries((attempt(1, failed("preempted")),), ("preempted",), (full,) * times)
        assert look("gpu-oom", tries).again == again


def test_a_disk_that_is_full_before_a_shard_begins_is_no_business_of_its_earlier_tries() -> None:
    stalled = after("gpu-oom", 4)
    full: FailureClass = "storage"
    for times, again in ((1, True), (3, True), (4, False)):
        tries = Tries(stalled.attempts, stalled.classes, (full,) * times)
        assert look("storage", tries).again == again
        assert look("storage", Tries(starts=(full,) * times)).again == again
