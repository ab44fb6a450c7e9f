"""Jobs that Slurm interrupts go on, and end with the result of an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurm.testbed import Testbed
from tests.bench import Bench, until
from tests.slurm.checkouts import copy_checkout, plant
from tests.slurm.helpers import submit
from tests.slurm.sweeps import artifacts, claims, edit_manifest, jobs, on, scores

TRAINING = "0 s1 → lookup-qa"
EVALUATION = f"{TRAINING} · lookup-qa"

SLOW_EVALUATION = """

_reported = Execution.progress


def _slowly(self: Execution, step: int, total: int, values: Mapping[str, float]) -> None:
    _reported(self, step, total, values)
    if self.shard.stage == "evaluate" and self._attempt == 1:
        time.sleep(20)  # longer than the grace


Execution.progress = _slowly  # type: ignore[method-assign]
"""


def one_chain(testbed: Testbed, prepared: Bench, folder: Path, **changes: Any) -> Bench:
    """A training with its evaluation, in one job; both are shards of the undisturbed run too."""
    bench = on(testbed, prepared.copy(folder), **changes)
    edit_manifest(bench, sizes=[0], retrieval=[])
    return bench


def interrupted(bench: Bench, interrupt: Callable[[], object], when: str = TRAINING) -> None:
    """Run the sweep, and interrupt it while the shard of that name is at work."""
    launcher = bench.start("sweep")
    until(lambda: bool(bench.shards()[when]["step"]))
    interrupt()
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output


def assert_undisturbed(bench: Bench, whole: Bench) -> None:
    assert artifacts(bench).items() <= artifacts(whole).items()
    assert scores(bench).items() <= scores(whole).items()
    assert len(bench.results()) == 2


def resumed_from(bench: Bench) -> int:
    (training,) = (found["training"] for found in bench.results().values() if found["training"])
    return int(training["resumed_from"])


def preempt(testbed: Testbed) -> None:
    submit(testbed, "sleep 1", "--partition=high", "--nodes=4", "--exclusive")


def test_a_preempted_training_saves_and_goes_on_where_it_was(
    breakable: Testbed, prepared: Bench, swept: Bench, tmp_path: Path
) -> None:
    bench = one_chain(breakable, prepared, tmp_path, partition="low")
    interrupted(bench, lambda: preempt(breakable))
    assert resumed_from(bench) > 0
    assert len(jobs(bench)) == 1, "the job itself went back into the queue"
    assert_undisturbed(bench, swept)


@pytest.mark.long
def test_a_training_that_is_killed_without_grace_begins_again(
    breakable: Testbed, prepared: Bench, swept: Bench, tmp_path: Path
) -> None:
    bench = one_chain(breakable, prepared, tmp_path, partition="harsh")
    interrupted(bench, lambda: preempt(breakable))
    assert sum(claims(bench).values()) == 3
    assert_undisturbed(bench, swept)


@pytest.mark.long
def test_a_training_that_somebody_requeues_gives_the_same_result(
    breakable: Testbed, prepared: Bench, swept: Bench, tmp_path: Path
) -> None:
    bench = one_chain(breakable, prepared, tmp_path)
    interrupted(bench, lambda: breakable.run("scontrol", "requeue", f"{jobs(bench)[0]}_0"))
    assert sum(claims(bench).values()) == 3
    assert_undisturbed(bench, swept)


@pytest.mark.long
def test_a_training_whose_node_loses_power_gives_the_same_result(
    breakable: Testbed, prepared: Bench, swept: Bench, tmp_path: Path
) -> None:
    bench = one_chain(breakable, prepared, tmp_path)
    interrupted(bench, lambda: breakable.nodes[0].power_off())
    assert sum(claims(bench).values()) == 3
    assert_undisturbed(bench, swept)


@pytest.mark.long
def test_an_evaluation_that_is_preempted_begins_again(
    breakable: Testbed, prepared: Bench, swept: Bench, tmp_path: Path
) -> None:
    checkout = plant(copy_checkout(tmp_path / "code"), {"launch/execution": SLOW_EVALUATION})
    bench = one_chain(breakable, prepared, tmp_path / "bench", partition="low")
    interrupted(replace(bench, checkout=checkout), lambda: preempt(breakable), EVALUATION)
    assert sum(claims(bench).values()) == 3
    assert_undisturbed(bench, swept)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_training_that_meets_its_time_limit_goes_on_and_gives_the_same_result(
    testbed: Testbed, prepared: Bench, tmp_path: Path
) -> None:
    """Slurm's least limit is a minute; the training takes more than one."""
    longer = {
        "task": "lookup-qa",
        "languages": ["en"],
        "training": {"epochs": 45, "batch_size": 4, "learning_rate": 1e-3},
    }
    times = {"limited": 1, "free": 60}
    benches = {}
    for name, minutes in times.items():
        limits = dict.fromkeys(("intermediate", "target", "evaluate"), minutes)
        # a chain's time is the sum over its stages: here a training's and an evaluation's
        bench = one_chain(testbed, prepared, tmp_path / name, time=limits, signal_seconds=20)
        edit_manifest(bench, targets=[longer])
        benches[name] = bench
        assert bench.run("sweep").returncode == 0
    assert max(claims(benches["limited"]).values()) >= 2, "no limit was met"
    assert len(jobs(benches["limited"])) == 1
    assert artifacts(benches["limited"]) == artifacts(benches["free"])
    assert scores(benches["limited"]) == scores(benches["free"])
