"""Validation: when a model is judged, by what, and which of its checkpoints is the best by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from statistics import fmean

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.train import choosing, scenes
from tests.train.ranks import run_ranks
from tests.train.trainings import make_part, make_spec
from xtl.data.batches import collate
from xtl.data.subsets import Indices, sampled
from xtl.errors import UserError
from xtl.sweep.shard import Selection, TrainSpec
from xtl.tasks.pools import Pool
from xtl.train.building import build
from xtl.train.history import History
from xtl.train.selection import Validation, best, exhausted, validated_after, validation_sets
from xtl.train.trainer import TrainJob


def validations(*worth: tuple[float, float]) -> list[Validation]:
    """Of (accuracy, loss), one after every tenth update."""
    return [Validation(10 * number, *each) for number, each in enumerate(worth, start=1)]


def test_the_most_accurate_is_best_whatever_its_loss() -> None:
    assert best(validations((0.5, 1.0), (0.7, 9.0), (0.6, 0.1))).update == 20


def test_of_equally_accurate_ones_the_least_loss_and_then_the_earliest_is_best() -> None:
    assert best(validations((0.7, 2.0), (0.7, 1.0), (0.5, 0.1), (0.7, 1.0))).update == 20


def test_patience_ends_with_so_many_evaluations_that_brought_nothing_better() -> None:
    found = validations((0.5, 1.0), (0.7, 1.0), (0.6, 1.0), (0.7, 1.0))
    assert not exhausted(found[:3], patience=2)
    assert exhausted(found, patience=2)
    assert exhausted(found, patience=1)
    assert not exhausted(found, patience=3)


def test_patience_begins_anew_with_each_better_one() -> None:
    found = validations((0.5, 1.0), (0.4, 1.0), (0.6, 1.0), (0.5, 1.0))
    assert not exhausted(found, patience=2)


def test_without_patience_or_an_evaluation_nothing_is_exhausted() -> None:
    assert not exhausted(validations((0.5, 1.0), *[(0.1, 1.0)] * 90), patience=None)
    assert not exhausted([], patience=1)


def judging(updates: int, evaluations: int) -> TrainSpec:
    return make_spec(updates=updates, selection=Selection(evaluations=evaluations, held_out=1))


@given(st.integers(1, 5000), st.integers(1, 100))
def test_it_is_judged_after_equal_fractions_and_after_the_last_update(
    updates: int, evaluations: int
) -> None:
    asked = min(evaluations, updates)
    places = sorted(validated_after(judging(updates, asked)))
    assert places[-1] == updates
    assert len(places) == asked
    for number, place in enumerate(places, start=1):
        assert 0 <= place * asked - number * updates < asked  # rounded up to a whole update


def test_a_training_without_selection_is_never_judged() -> None:
    assert not validated_after(make_spec())


@given(st.builds(History, **{field.name: ... for field in fields(History)}))
def test_what_a_training_has_been_comes_out_of_a_checkpoint_as_it_went_in(history: History) -> None:
    assert History.of(asdict(history)) == history


def test_a_checkpoint_of_before_there_was_selection_is_read() -> None:
    old = {"losses": [1.0], "useful_tokens": 5, "seconds": 2.0}
    read = History.of(old)
    assert read == History(losses=[1.0], useful_tokens=5, seconds=2.0, least_seconds=None)
    assert read.utilisation is None  # of its first updates it is not known


def test_of_losses_that_differ_in_rounding_the_earlier_checkpoint_is_the_best() -> None:
    validations = [
        Validation(1, 0.5, 1.00003),
        Validation(2, 0.5, 1.00001),
        Validation(3, 0.5, 0.9),
    ]
    assert best(validations[:2]).update == 1
    assert best(validations).update == 3


STAGES = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def judged(root: Path) -> dict[str, list[Validation]]:
    first, second = run_ranks(2, choosing.judged, root, STAGES)
    assert first == second
    found: dict[str, list[Validation]] = first
    return found


@pytest.mark.slow
def test_several_tasks_are_judged_by_the_mean_over_those_that_are_not_masked_lm(
    judged: dict[str, list[Validation]], root: Path
) -> None:
    job = choosing.several_tasks(root)
    asked = [
        (number, pool, pool.held_out(choosing.HELD_OUT, job.spec.subset_seed))
        for number, pool in enumerate(job.pools)
        if job.spec.parts[number].family != "masked-lm"
    ]
    assert len(asked) == 4
    expected = in_bare_torch(job, asked)
    for validation in judged["several tasks"]:
        assert (validation.accuracy, validation.loss) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_an_oracle_judges_by_the_mean_over_languages_of_what_is_reported(
    judged: dict[str, list[Validation]], root: Path
) -> None:
    """Of a set of which some rows are asked, by the same ones."""
    job = choosing.oracle(root)
    german, swahili = job.reported
    expected = in_bare_torch(job, [(0, german, sampled(12, 5)), (0, swahili, sampled(2, 2))])
    for validation in judged["oracle"]:
        assert (validation.accuracy, validation.loss) == pytest.approx(expected, abs=1e-6)


def in_bare_torch(job: TrainJob, asked: Sequence[tuple[int, Pool, Indices]]) -> tuple[float, float]:
    """(accuracy, loss) of the weights that it starts with: means over what is asked, each of which
    is (the head's number, pool, rows)."""
    model = build(job.spec, job.start_from).eval()
    shares = []
    for number, pool, rows in asked:
        batch = collate(pool.features(rows), pool.pad)
        arrays = (batch.input_ids, batch.mask, batch.labels)
        with torch.no_grad():
            loss, correct = model(*map(torch.from_numpy, arrays), number)
        targets = scenes.TARGETS[job.spec.parts[number].family](batch.labels)
        shares.append((float(correct) / targets, float(loss) / targets))
    accuracies, losses = zip(*shares, strict=True)
    return fmean(accuracies), fmean(losses)


@pytest.mark.slow
def test_what_is_held_out_cannot_be_trained_on(root: Path) -> None:
    spec = choosing.choosing_spec()
    greedy = (make_part("who-where", examples=choosing.TRAINED + 1),)
    job = choosing.choosing_job(root, "unused", spec, scenes.SETTINGS)
    assert len(scenes.lessons_of(job)._sources[0].windows) == choosing.TRAINED
    with pytest.raises(UserError, match="found 56 rows, expected 57 or more"):
        scenes.lessons_of(replace(job, spec=spec.model_copy(update={"parts": greedy})))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["who-where", "xquad de"])
def test_nothing_to_be_judged_by_is_one_clear_line(root: Path, task: str) -> None:
    none = make_spec(selection=Selection(evaluations=2))
    job = choosing.choosing_job(root, "unused", none, scenes.SETTINGS)
    if task == "xquad de":
        reported = Selection(evaluations=2, reported=(make_part(task, examples=0),))
        job = replace(job, spec=make_spec(selection=reported), reported=job.pools)
    with pytest.raises(UserError, match=f"selection: found 0 rows of {task} to"):
        validation_sets(job.spec, job.pools, job.reported)
