"""What `xtl sweep --once` and `--detach` say and give as exit status: who goes on, or nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.options import DEMO, session
from jobs.sweep import _exit_status, _goes_on
from tests.jobs.test_doors import look
from xtl.launch.profile import SlurmProfile
from xtl.launch.slurm.unattended import Left
from xtl.launch.states import State, StateName


def test_a_sweep_that_is_left_names_the_job_that_goes_on_or_says_why_none_does() -> None:
    assert _goes_on(Left("900")) == "job 900 goes on when these are over; `xtl status` tells"
    line = _goes_on(Left(None, "the profile wants none"))
    assert line.startswith("nobody goes on by itself (the profile wants none): run ")


@pytest.mark.parametrize(
    ("cluster", "enabled", "left", "status"),
    [
        ("slurm", True, Left("900"), 0),
        ("slurm", True, Left(None, "sbatch: no answer"), 1),
        ("slurm", False, Left(None, "the profile wants none"), 0),
        ("local", True, Left(None, "there is no Slurm"), 0),
        ("slurm", True, None, 0),
    ],
)
def test_it_is_an_error_that_nobody_goes_on_who_should(
    cluster: str, enabled: bool, left: Left | None, status: int, tmp_path: Path
) -> None:
    profile = "testbed" if cluster == "slurm" else "local"
    opened = session(DEMO, tmp_path, cluster, profile)
    if isinstance(opened.profile, SlurmProfile):
        wanted = opened.profile.reconcile.model_copy(update={"enabled": enabled})
        profile_ = opened.profile.model_copy(update={"reconcile": wanted})
        opened = replace(opened, profile=profile_)
    assert _exit_status(opened, look(opened, {}), left) == status


@pytest.mark.parametrize(("name", "status"), [("done", 0), ("failed", 1), ("blocked", 1)])
def test_a_sweep_that_is_over_is_well_when_all_is_done(
    name: StateName, status: int, tmp_path: Path
) -> None:
    opened = session(DEMO, tmp_path, "local", None)
    states = dict.fromkeys(opened.plan.shards, State("done"))
    states[next(iter(states))] = State(name)
    over = replace(look(opened, {}), states=states, over=True)
    assert _exit_status(opened, over, None) == status
