"""`xtl resubmit --with`: which code runs when the checkout has changed since."""

from __future__ import annotations

import json

import pytest

from tests.bench import Bench

pytestmark = pytest.mark.slow


@pytest.fixture
def edited(trivial: Bench) -> Bench:
    """A finished sweep of trivial shards, one result gone, and a checkout that was edited since."""
    trivial.sweep()
    next((trivial.root / "shards").glob("*/result.json")).unlink()
    worker = trivial.checkout / "xtl" / "launch" / "worker.py"
    worker.write_text(worker.read_text() + "\nprint('the edited code')\n")
    return trivial


def said(bench: Bench) -> str:
    logs = sorted((bench.root / "submissions").glob("*/submitit/*_log.out"))
    return "".join(log.read_text() for log in logs)


def frozen(bench: Bench) -> str:
    digest = json.loads((bench.root / "code" / "current.json").read_text())["digest"]
    return str(digest)


def test_a_sweep_goes_on_with_the_code_that_it_began_with(edited: Bench) -> None:
    before = frozen(edited)
    assert edited.sweep()["submitted"] == 1
    assert frozen(edited) == before
    assert "the edited code" not in said(edited)


def test_with_current_says_what_differs_and_runs_it(edited: Bench) -> None:
    before = frozen(edited)
    preview = edited.run("resubmit", "--with", "current", "--dry-run", "--json")
    lines = json.loads(preview.stdout)["code"]
    assert any("xtl/launch/worker.py +2" in line for line in lines), lines
    assert frozen(edited) == before, "a preview freezes nothing"
    done = edited.run("resubmit", "--with", "current")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "xtl/launch/worker.py +2" in done.stdout
    assert frozen(edited) != before
    assert "the edited code" in said(edited)
