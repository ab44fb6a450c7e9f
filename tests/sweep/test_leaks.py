"""Leaks: what a lock says of shared passages, and what a manifest accepts by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import lock_for
from tests.sweep.manifests import manifest
from xtl.data.leakage import Overlap
from xtl.errors import UserError
from xtl.sweep.choices import Accepted
from xtl.sweep.leaks import leaks, require_accepted
from xtl.sweep.lock import Lock, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import passage_pairs
from xtl.sweep.plan import make_plan


def leaking(asked: Manifest) -> Lock:
    """A lock in which the first pair of tables shares two passages."""
    training, (evaluation, *_) = passage_pairs(asked).popitem()
    assert training.name == "mnli"
    lock = lock_for(asked)
    pair = pair_of(training.ref, evaluation.ref)
    return lock.model_copy(update={"leakage": {pair: Overlap(contexts=2, sequences=5)}})


def accepting(**accepted: Any) -> Manifest:
    entry = {"training": "mnli", "evaluation": "tydiqa", "because": "looked at"}
    return manifest(accept_overlap=[entry | accepted])


def test_what_a_model_was_trained_on_is_held_against_what_it_is_asked() -> None:
    pairs = passage_pairs(manifest())
    assert {need.name for need in pairs} == {"mnli", "tydiqa"}
    assert all(len(asked) == 9 for asked in pairs.values())


def test_a_target_that_does_not_follow_a_task_is_not_held_against_it() -> None:
    tasks = [{"task": "mnli"}, {"task": "hellaswag"}]
    targets = [{"task": "tydiqa"}, {"task": "xquad", "after": ["mnli"]}]
    pairs = passage_pairs(manifest(intermediate=tasks, targets=targets))
    asked = {need.name: {other.name for other in others} for need, others in pairs.items()}
    assert asked == {
        "tydiqa": {"tydiqa"},
        "squad-v1.1": {"xquad"},
        "mnli": {"tydiqa", "xquad"},
        "hellaswag": {"tydiqa"},
    }


def test_a_leak_is_an_error_with_the_counts_and_what_to_write() -> None:
    asked = manifest()
    with pytest.raises(UserError) as caught:
        require_accepted(asked, leaking(asked))
    line = str(caught.value)
    assert "found 2 evaluation contexts in the training table and 5 that share 13 words" in line
    entry = "{training: mnli, evaluation: tydiqa, at_most: 5, because: …}"
    assert line.endswith(f"accept_overlap: [{entry}]")


def test_no_plan_is_made_over_a_leak() -> None:
    asked = manifest()
    with pytest.raises(UserError, match="leakage: "):
        make_plan(asked, leaking(asked))


def test_one_that_is_accepted_by_name_is_let_through_and_still_known() -> None:
    asked = accepting()
    require_accepted(asked, leaking(asked))
    (leak,) = leaks(asked, leaking(asked))
    assert leak.overlap.contexts == 2


def test_no_more_than_is_accepted_is_let_through() -> None:
    require_accepted(accepting(at_most=5), leaking(manifest()))
    with pytest.raises(UserError, match="leakage: "):
        require_accepted(accepting(at_most=4), leaking(manifest()))


def test_a_table_that_is_trained_on_and_asked_is_held_against_itself() -> None:
    same = {"repo": "google/xtreme", "config": "XQuAD.en", "split": "validation"}
    tasks = [{"task": "squad-v1.1"}]
    targets = [{"task": "xquad", "languages": ["en"]}]
    asked = manifest(intermediate=tasks, targets=targets, training_data={"squad-v1.1": same})
    ((training, (evaluation,)),) = passage_pairs(asked).items()
    assert training.ref == evaluation.ref


def test_rows_that_are_trained_on_and_asked_are_a_leak_in_every_family() -> None:
    same = {"repo": "Rowan/hellaswag", "split": "validation"}
    asked = manifest(
        intermediate=[{"task": "hellaswag"}],
        sizes=[0, 8],
        targets=[{"task": "hellaswag"}],
        training_data={"hellaswag": same},
    )
    with pytest.raises(UserError, match=r"leakage: Rowan/hellaswag.*found the same 4,096 rows"):
        make_plan(asked, lock_for(asked))
    accepted = Accepted(training="hellaswag", evaluation="hellaswag-dev", because="a test")
    require_accepted(asked.model_copy(update={"accept_overlap": (accepted,)}), lock_for(asked))


def test_accepting_one_pair_accepts_no_other() -> None:
    asked = accepting(training="tydiqa")
    with pytest.raises(UserError, match="leakage: "):
        require_accepted(asked, leaking(asked))


def test_a_name_that_nothing_has_is_refused() -> None:
    with pytest.raises(UserError, match=r"accept_overlap\.evaluation: found 'xnly'"):
        accepting(evaluation="xnly")
    with pytest.raises(UserError, match=r"accept_overlap\.training: found 'qqp'"):
        accepting(training="qqp")
