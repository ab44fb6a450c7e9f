"""What a job is to run is on disk before the job is, with all that its ranks must know."""

from __future__ import annotations

from pathlib import Path

import pytest

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
