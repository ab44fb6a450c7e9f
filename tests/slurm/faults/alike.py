"""Faults that all shards have in common: a mistake in the code that each of them meets."""

from __future__ import annotations

from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.ranks import mend_and_resubmit
from tests.slurm.faults.scene import Scene
from tests.slurm.sweeps import claims, sizes

CHAINS = 4
MISTAKE = """

_rightly = Execution._train


def _train(self: Execution, spec: TrainSpec, start: str) -> Result | None:
    if not (self._store.root / "mended").exists():
        {"a": 1}["b"]
    return _rightly(self, spec, start)


Execution._train = _train  # type: ignore[method-assign]
"""


def stopped_after_three(scene: Scene) -> None:
    """The sweep has stopped itself, and goes on when a person says so."""
    scene.strike(scene.start)
    told = scene.rest(1)
    scene.verdict("code")
    assert "stopped: 3 shards failed alike (KeyError: 'b')" in told
    assert sorted(claims(scene.bench).values()) == [1, 1, 1]
    pause = scene.store.pauses.current()
    assert pause
    assert (pause.cause, len(pause.shards)) == ("repeated", 3)


def overridden(scene: Scene) -> None:
    before = claims(scene.bench)
    mend_and_resubmit(scene, "--override")
    assert scene.pauses() == ["repeated"]
    more = claims(scene.bench) - before
    assert set(more.values()) == {1}
    assert len(more) == 2 * CHAINS


@fault(
    "a mistake that all shards meet",
    f"each training of {CHAINS} raises KeyError, on rank 0 and 1 alike, until it is mended",
    chains=CHAINS,
    planted={"launch/execution": MISTAKE},
)
def canaries_meet_it_one_by_one_and_the_third_stops_the_sweep(scene: Scene) -> str:
    stopped_after_three(scene)
    assert sizes(scene.bench) == [1, 1, 1], "a job at a time: the first of its kind"
    overridden(scene)
    return "3 jobs of 4 are submitted, one after the other; the third ends it: " + MENDED


@fault(
    "a mistake that all shards meet, no canaries",
    "the same where the profile says `canary: false`, with one job at a time",
    chains=CHAINS,
    profile={"policy": {"canary": False}, "limits": {"at_once": 1}},
    planted={"launch/execution": MISTAKE},
)
def the_third_of_an_array_stops_it_and_what_is_queued_leaves(scene: Scene) -> str:
    stopped_after_three(scene)
    assert sizes(scene.bench) == [CHAINS], "all at once"
    overridden(scene)
    return "4 jobs are submitted, 3 run; the fourth leaves with no try spent: " + MENDED


MENDED = "class code; mended, `xtl resubmit --override` goes on"
