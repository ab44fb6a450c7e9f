"""What a job is to run is on disk before the job is, with all that its ranks must know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.launch.records import claim, finished, stopped
from xtl.launch.drafts import Drafts
from xtl.launch.reconcile import Bundle
from xtl.launch.store import Store
from xtl.sweep.fit import Fit
from xtl.sweep.plan import Plan


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_submission_says_how_its_trainings_run(
    plan: Plan, tmp_path: Path, deterministic: bool
) -> None:
    drafts = Drafts(
        store=Store(tmp_path), plan=plan, ranks=2, mirror=tmp_path / "mirror",
        code=tmp_path / "code", commit="abc", fit=Fit(3, 4, 2, "why"),
        deterministic=deterministic, leads=lambda: True,
    )  # fmt: skip
    first = next(iter(plan.shards))
    written = drafts.write(Bundle(((first, 1),)), "local")
    assert written is not None
    assert Store(tmp_path).submissions.find(written.name) == written
    assert (written.ranks, written.zero_stage, written.micro_batch) == (2, 3, 4)
    assert written.deterministic is deterministic


def test_a_shard_that_is_made_anew_takes_the_engine_of_today(plan: Plan, tmp_path: Path) -> None:
    """One that goes on takes the engine that its checkpoint was made with."""
    store, first = Store(tmp_path), next(iter(plan.shards))
    old = Drafts(
        store=store, plan=plan, ranks=2, mirror=tmp_path / "mirror", code=tmp_path / "code",
        commit="abc", fit=Fit(3, 4, 2, "why"), deterministic=False, leads=lambda: True,
    )  # fmt: skip
    now = replace(old, fit=Fit(1, 16, 2, "why"))
    engines = []
    for number, end in ((1, stopped(5)), (2, finished()), (3, stopped(7))):
        written = (old if number == 1 else now).write(Bundle(((first, number),)), "local")
        assert written is not None
        engines.append((written.zero_stage, written.micro_batch))
        store.claim(claim(first, number).model_copy(update={"submission": written.name}))
        store.end_attempt(first, number, end)
    assert engines == [(3, 4), (3, 4), (1, 16)]
