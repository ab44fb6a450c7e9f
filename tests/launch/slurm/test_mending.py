"""Jobs that would wait for ever: let go, or cancelled, by what squeue says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.launch.slurm.test_watch import submit
from xtl.launch.observe import Observation
from xtl.launch.sight import Sight
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmSilentError
from xtl.launch.slurm.mending import MOST_RELEASES, mend
from xtl.launch.slurm.reasons import remedy, words
from xtl.launch.store import Store


class Recorded(Client):
    """Keeps what would be asked of Slurm; the commands themselves are tried on a testbed."""

    def __init__(self, silent: bool = False) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self.silent = silent

    def _ask(self, *command: str) -> str:
        if self.silent:
            raise SlurmSilentError("scontrol: no answer")
        self.asked.append(command)
        return ""


def seen(store: Store, reason: str) -> Observation:
    (entry,) = submit(store, 1)
    sight = Sight("alive", "PENDING", words(reason), job="70_0", remedy=remedy(reason))
    return Observation({}, [entry], [], {entry.name: sight})


@pytest.mark.parametrize(
    "reason", ["launch failed requeued held", "launch_failed_requeued_held", "JobHoldMaxRequeue"]
)
def test_a_job_that_slurm_holds_is_let_go(tmp_path: Path, reason: str) -> None:
    store, client = Store(tmp_path), Recorded()
    (line,) = mend(client, store, seen(store, reason))
    assert client.asked == [("scontrol", "release", "70_0")]
    assert "let go" in line


def test_a_persons_hold_is_the_persons(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Recorded()
    assert mend(client, store, seen(store, "JobHeldUser")) == []
    assert client.asked == []


def test_one_that_waits_for_what_will_never_be_is_cancelled_as_no_persons_word(
    tmp_path: Path,
) -> None:
    store, client = Store(tmp_path), Recorded()
    what = seen(store, "DependencyNeverSatisfied")
    mend(client, store, what)
    assert client.asked == [("scancel", "70_0")]
    assert store.submissions.is_given_up(what.alive[0].name)


def test_a_job_that_is_held_again_and_again_is_given_up(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Recorded()
    what = seen(store, "launch failed requeued held")
    for _ in range(MOST_RELEASES + 1):
        mend(client, store, what)
    assert [command[0] for command in client.asked] == ["scontrol"] * MOST_RELEASES + ["scancel"]


def test_a_silent_slurm_is_asked_again_later(tmp_path: Path) -> None:
    store: Any = Store(tmp_path)
    what = seen(store, "launch failed requeued held")
    assert mend(Recorded(silent=True), store, what) == []
