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
from tests.slurm.sweeps import edit_manifest, here, on

Stage = Callable[[Fault], Scene]


@pytest.fixture(scope="session")
def chains_swept(prepared: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """As many chains as a fault has at most, undisturbed."""
    bench = prepared.copy(tmp_path_factory.mktemp("chains"))
    chains = list(range(1, max(made.chains for made in FAULTS) + 1))
    edit_manifest(bench, sizes=[0], retrieval=[], replicates=chains)
    bench.sweep()
    return bench


@pytest.fixture
def stage(request: pytest.FixtureRequest, prepared: Bench, tmp_path: Path) -> Iterator[Stage]:
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
            chains = list(range(1, made.chains + 1))
            usual = {"sizes": [0], "retrieval": [], "replicates": chains}
            edit_manifest(bench, **usual | made.manifest)
            whole = request.getfixturevalue("chains_swept" if made.chains > 1 else "swept")
            testbed = _testbed(request, made)
            bench = on(testbed, bench, **made.profile) if testbed else here(bench, **made.profile)
            scenes.append(Scene(bench, whole, instants, testbed))
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
    record_property("row", (happened, scene.seconds))  # as tests side by side can tell it
