"""Jobs that would wait for ever: let go, or cancelled, by what squeue says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.launch.slurm.clusters import cluster, profile
from tests.launch.slurm.test_watch import BATCH, submit
from xtl.launch.observe import Observation
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmSilentError
from xtl.launch.slurm.mending import MOST_RELEASES, mend
from xtl.launch.slurm.reasons import remedy, words
from xtl.launch.slurm.scheduler import SlurmScheduler
from xtl.launch.slurm.watch import Watch
from xtl.launch.store import Store


class Recorded(Client):
    """Keeps what would be asked of Slurm; the commands themselves are tried on a testbed."""

    def __init__(self, silent: bool = False, queue: str = "") -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self.silent, self.listed = silent, queue

    def _ask(self, *command: str) -> str:
        if command[0] == "squeue":
            return self.listed
        self.asked.append(command)
        if self.silent:
            raise SlurmSilentError("scontrol: no answer")
        return ""


def seen(store: Store, reason: str) -> Observation:
    (entry,) = submit(store, 1)
    sight = Sight("alive", "PENDING", words(reason), job="70_0", remedy=remedy(reason))
    return Observation({}, [entry], [], {entry.name: sight})


def mended(client: Client, store: Store, what: Observation) -> list[str]:
    return mend(client, store, what.alive, what.sights)


@pytest.mark.parametrize(
    "reason", ["launch failed requeued held", "launch_failed_requeued_held", "JobHoldMaxRequeue"]
)
def test_a_job_that_slurm_holds_is_let_go(tmp_path: Path, reason: str) -> None:
    store, client = Store(tmp_path), Recorded()
    (line,) = mended(client, store, seen(store, reason))
    assert client.asked == [("scontrol", "release", "70_0")]
    assert "let go" in line


def test_a_persons_hold_is_the_persons(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Recorded()
    assert mended(client, store, seen(store, "JobHeldUser")) == []
    assert client.asked == []


def test_one_that_waits_for_what_will_never_be_is_cancelled_as_no_persons_word(
    tmp_path: Path,
) -> None:
    store, client = Store(tmp_path), Recorded()
    what = seen(store, "DependencyNeverSatisfied")
    mended(client, store, what)
    assert client.asked == [("scancel", "70_0")]
    assert store.submissions.is_given_up(what.alive[0].name)


def test_a_job_that_is_held_again_and_again_is_given_up(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Recorded()
    what = seen(store, "launch failed requeued held")
    for _ in range(MOST_RELEASES + 1):
        mended(client, store, what)
    assert [command[0] for command in client.asked] == ["scontrol"] * MOST_RELEASES + ["scancel"]


def test_a_silent_slurm_is_asked_again_later(tmp_path: Path) -> None:
    store: Any = Store(tmp_path)
    what = seen(store, "launch failed requeued held")
    assert mended(Recorded(silent=True), store, what) == []


HELD = f"70|0|{BATCH}|PENDING||N/A|N/A|launch failed requeued held"
RUNS = f"70|0|{BATCH}|RUNNING|n1|N/A|N/A|None"


def scheduler(client: Client) -> SlurmScheduler:
    return SlurmScheduler(profile(), Watch(client, accounting=False), cluster)


def test_releases_that_slurm_does_not_hear_are_not_counted(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Recorded(silent=True)
    what = seen(store, "launch failed requeued held")
    for _ in range(MOST_RELEASES + 1):
        mended(client, store, what)
    assert [command[:2] for command in client.asked] == [("scontrol", "release")] * (
        MOST_RELEASES + 1
    )
    assert not store.submissions.is_given_up(what.alive[0].name)


@pytest.mark.parametrize("silent", [False, True])
def test_a_held_job_is_let_go_once_a_poll_whether_slurm_hears_it_or_not(
    tmp_path: Path, silent: bool
) -> None:
    store, client = Store(tmp_path), Recorded(silent, HELD)
    slurm, what = scheduler(client), seen(store, "launch failed requeued held")
    for _ in range(MOST_RELEASES + 1):
        slurm.mend(store, what)
    assert client.asked == [("scontrol", "release", "70_0")]


def test_a_job_that_runs_by_now_is_not_cancelled_by_an_older_word(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Recorded(queue=RUNS)
    what = seen(store, "launch failed requeued held")
    for _ in range(MOST_RELEASES):
        store.submissions.note_release(what.alive[0].name)
    assert scheduler(client).mend(store, what) == []
    assert client.asked == []
    client.listed = HELD
    assert len(scheduler(client).mend(store, what)) == 1
    assert client.asked == [("scancel", "70_0")]
