"""Nothing is lost and nothing runs twice, whatever is done to a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from slurm.testbed import Testbed
from tests.bench import Bench
from tests.slurm.checkouts import Instants, copy_checkout
from tests.slurm.conftest import MakeTestbed
from tests.slurm.faults.catalogue import FAULTS, Fault
from tests.slurm.faults.disks import small_disk
from tests.slurm.faults.scene import Scene
from tests.slurm.faults.table import Row
from tests.slurm.sweeps import edit_manifest, on

Stage = Callable[[Fault], Scene]


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, prepared: Bench, swept: Bench, tmp_path: Path
) -> Iterator[Stage]:
    """Sets a fault's scene; nothing of it is left running."""
    scenes: list[Scene] = []
    with ExitStack() as stack:

        def set_up(made: Fault) -> Scene:
            folder = tmp_path / "bench"
            if made.place == "local":
                stack.enter_context(small_disk(folder))
            instants = Instants(tmp_path / "instants")
            code = instants.plant(copy_checkout(tmp_path / "code"), made.slowly, made.planted)
            bench = replace(prepared.copy(folder), checkout=code)
            edit_manifest(bench, **{"sizes": [0], "retrieval": [], **made.manifest})
            testbed = _testbed(request, made)
            if testbed:
                bench = on(testbed, bench, **made.profile)
            scenes.append(Scene(bench, swept, instants, testbed))
            return scenes[-1]

        yield set_up
        for scene in scenes:
            scene.close()


def _testbed(request: pytest.FixtureRequest, made: Fault) -> Testbed | None:
    if made.place == "local":
        return None
    if made.place == "slurm":
        found: Testbed = request.getfixturevalue("breakable")
        return found
    make: MakeTestbed = request.getfixturevalue("make_testbed")
    return make(nodes=2, accounting=False)


def _marks(made: Fault) -> list[pytest.MarkDecorator]:
    marks = [] if made.quick else [pytest.mark.long]
    if made.waits_for:
        marks.append(pytest.mark.xfail(strict=False, reason=made.waits_for))
    return marks


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "made", [pytest.param(each, id=each.name, marks=_marks(each)) for each in FAULTS]
)
def test_that(made: Fault, stage: Stage, record_property: Callable[[str, object], None]) -> None:
    scene = stage(made)
    happened = made.act(scene)
    assert scene.finished, "its end was not looked at"
    record_property("row", Row(happened, scene.seconds))
