"""A real Slurm cluster for the tests of this folder, which are all slow.

Its name is the test process's own, so it lives beside a person's. It is taken down at the end, also
after Ctrl-C; of a process that was killed, the next one does it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from typing import Any

import psutil
import pytest

from slurm.testbed import Settings, Testbed
from slurm.testbed.layout import existing
from slurm.testbed.packages import why_not

OWN = f"test-{os.getpid()}"
NUMBERS = count(1)
SKIPPED = pytest.StashKey[str]()
MakeTestbed = Callable[..., Testbed]


@contextmanager
def brought_up(testbed: Testbed, settings: Settings | None = None) -> Iterator[Testbed]:
    try:
        testbed.up(settings)
        yield testbed
    finally:
        testbed.down()


def special(**settings: Any) -> AbstractContextManager[Testbed]:
    """A cluster beside the session's, by the keys of Settings."""
    return brought_up(Testbed(_spare()), Settings(**settings))


def _spare() -> str:
    return f"{OWN}-{next(NUMBERS)}"


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if reason := config.stash.get(SKIPPED, None):
        terminalreporter.write_line(f"xtl: the tests on a Slurm cluster were skipped: {reason}")


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> None:
    """A machine on which a testbed can come up, without those of killed test processes."""
    if reason := why_not():
        pytestconfig.stash[SKIPPED] = reason
        pytest.skip(reason)
    for layout in existing():
        owner = re.fullmatch(r"test-(\d+)(-\d+)?", layout.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            Testbed(layout.name).down()


@pytest.fixture(scope="session")
def testbed(machine: None) -> Iterator[Testbed]:
    """The session's cluster: four nodes, accounting. Whoever breaks it takes `breakable`."""
    with brought_up(Testbed(OWN)) as made:
        yield made


@pytest.fixture
def breakable(testbed: Testbed) -> Iterator[Testbed]:
    """The session's cluster for a test that leaves jobs or breaks things: they are mended after."""
    yield testbed
    testbed.restore()


@pytest.fixture
def make_testbed(machine: None) -> Iterator[MakeTestbed]:
    """Makes special clusters, by the keys of Settings; they go when the test ends."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(special(**settings))


@pytest.fixture
def spare_name(machine: None) -> Iterator[str]:
    """The name of a cluster that is not up; one that a test brings up is taken down."""
    name = _spare()
    yield name
    Testbed(name).down()
