"""Submitting: what is on disk around sbatch, for which a script stands in here. tests/slurm has the
real one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.slurm.clusters import cluster, profile
from xtl.errors import UserError
from xtl.launch.drafts import Drafts
from xtl.launch.observe import Observation
from xtl.launch.reconcile import Bundle
from xtl.launch.records import ExcludedNode, Submission
from xtl.launch.slurm import arrays
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.scheduler import SlurmScheduler
from xtl.launch.slurm.watch import Watch
from xtl.launch.store import Store
from xtl.sweep.fit import Fit
from xtl.sweep.plan import Plan


class Bench:
    """A sweep that nothing was submitted of, and an sbatch that does as it is told."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan, self.store, self.programs = plan, Store(folder / "sweep"), folder / "bin"
        self.folder = folder
        self.called = folder / "called"
        self.programs.mkdir()
        self.put("squeue", "")
        self.sbatch("echo 12")

    def put(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def sbatch(self, text: str) -> None:
        self.put("sbatch", f"echo called >> {self.called}\n{text}")

    @property
    def calls(self) -> int:
        return len(self.called.read_text().splitlines()) if self.called.exists() else 0

    def submit(self, leads: Callable[[], bool] = lambda: True) -> list[Submission]:
        drafts = Drafts(
            store=self.store, plan=self.plan, ranks=2, mirror=self.store.root / "mirror",
            code=self.store.root / "code", commit="abc", fit=Fit(1, 4, 2, "why"),
            deterministic=False, leads=leads,
        )  # fmt: skip
        targets = [key for key, shard in self.plan.shards.items() if shard.stage == "target"]
        bundles = [Bundle(((shard, 1),)) for shard in targets[:2]]
        scheduler = SlurmScheduler(profile(), Watch(Client()), cluster)
        return scheduler.submit(drafts, bundles, Observation({}, [], [], {}))

    def left(self) -> tuple[int, int]:
        """Submissions and arrays that the folder has."""
        return len(self.store.submissions.open()), self.store.batches.count()


@pytest.fixture
def bench(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.delenv("SLURM_CONF", raising=False)
    return Bench(tmp_path, plan)


def test_what_goes_out_is_on_disk_with_its_id(bench: Bench) -> None:
    sent = bench.submit()
    assert [entry.name for entry in bench.store.submissions.open()] == [one.name for one in sent]
    assert bench.left() == (2, 1)
    job = bench.store.batches.job(sent[0].batch)
    assert job is not None
    assert job.id == "12"


def test_who_has_lost_the_lead_while_it_wrote_an_array_submits_nothing(bench: Bench) -> None:
    leads = iter([True, False])
    assert bench.submit(lambda: next(leads)) == []
    assert (bench.calls, bench.left()) == (0, (0, 0))


def test_an_array_of_which_another_has_closed_a_part_is_not_submitted(bench: Bench) -> None:
    """`xtl cancel`, say, which took it for never sent."""

    def leads() -> bool:
        for entry in bench.store.submissions.open()[:1]:
            bench.store.submissions.close(entry.name, 1.0)
        return True

    assert bench.submit(leads) == []
    assert (bench.calls, bench.left()) == (0, (0, 0))
    assert len(bench.submit()) == 2


def test_the_lease_is_renewed_while_an_array_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "RENEW_S", 0.0)
    asked: list[int] = []

    def leads() -> bool:
        asked.append(len(bench.store.submissions.open()))
        return True

    assert len(bench.submit(leads)) == 2
    assert asked == [0, 0, 1, 2], "before the first, before each, and before sbatch"


@pytest.mark.parametrize("how", ["kill -9 $$", "exit 1"])
def test_an_array_whose_sbatch_died_without_a_word_may_be_there(bench: Bench, how: str) -> None:
    bench.sbatch(how)
    assert bench.submit() == []
    assert bench.left() == (2, 1), "its name is not given again, and will tell"


def test_an_array_that_slurm_refuses_leaves_no_trace(bench: Bench) -> None:
    bench.sbatch("echo sbatch: error: Invalid partition name specified >&2; exit 1")
    with pytest.raises(UserError, match="Invalid partition"):
        bench.submit()
    assert bench.left() == (0, 0)


def test_a_job_that_sbatch_said_nothing_of_may_turn_up_as_of_then(bench: Bench) -> None:
    """Not as of when it was called, which may be a minute ago."""
    written = bench.folder / "written"
    bench.sbatch(f"date +%s.%N > {written}; sleep 0.05; kill -9 $$")
    bench.submit()
    (entry, _) = bench.store.submissions.open()
    batch = bench.store.batches.find(entry.batch)
    assert batch is not None
    assert batch.created > float(written.read_text())


def test_a_refusal_names_the_nodes_that_were_left_out(bench: Bench) -> None:
    bench.sbatch("echo sbatch: error: Requested node configuration is not available >&2; exit 1")
    entry = ExcludedNode(
        node="n7", line="Xid 79", shard="s", attempt=1, since=1.0, until=time.time() + 60
    )
    bench.store.nodes.exclude(entry)
    with pytest.raises(UserError, match=r"partition gpu without n7 \(`xtl nodes --readmit`\)"):
        bench.submit()
