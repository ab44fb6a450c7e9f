"""`xtl resubmit`: what is run again, from where, and with which code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import Bench
from tests.jobs.terminal import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def edited(ended: Bench) -> Bench:
    """A finished sweep of trivial shards, one result gone, and a checkout that was edited since."""
    next((ended.root / "shards").glob("*/result.json")).unlink()
    worker = ended.checkout / "xtl" / "launch" / "worker.py"
    worker.write_text(worker.read_text() + "\nprint('the edited code')\n")
    return ended


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
    done = edited.run("resubmit", "--with", "current", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "xtl/launch/worker.py +2" in done.stdout
    assert frozen(edited) != before
    assert "the edited code" in said(edited)


def fail(bench: Bench, name: str, cls: str) -> tuple[Path, str]:
    """An evaluation on `name` has failed since; where its result was, and what it was."""
    path = next(
        path
        for path in sorted((bench.root / "shards").glob("*/result.json"))
        if json.loads(path.read_text())["name"].endswith(f"· {name}")
    )
    text = path.read_text()
    path.unlink()
    failure = {"cls": cls, "line": f"KeyError: what {cls} does", "rank": 0}
    end = {"status": "failed", "failure": failure, "step": 3, "finished": 9.0}
    (path.parent / "attempts" / "0001" / "end.json").write_text(json.dumps(end))
    return path, text


@pytest.fixture
def failed(ended: Bench) -> Bench:
    """A finished sweep in which two evaluations have failed since, one of them of its code."""
    fail(ended, "lookup-qa", "code")
    fail(ended, "lookup-pairs", "configuration")
    return ended


def test_nothing_is_run_before_a_person_agrees(failed: Bench) -> None:
    before = sorted(failed.root.rglob("*"))
    done = failed.run("resubmit")
    assert done.returncode == 2
    assert done.stderr.startswith("xtl: --yes: found none, and no terminal to ask at")
    assert len(done.stderr.splitlines()) == 1
    assert sorted(failed.root.rglob("*")) == before


def test_the_preview_fits_80_columns_and_says_why_and_from_where(failed: Bench) -> None:
    said = failed.run("resubmit", "--dry-run").stdout
    assert max(map(len, said.splitlines())) <= 80, said
    for word in ("configuration", "KeyError", "the start", "2 failed shards to run again"):
        assert word in said, said


def test_a_class_is_run_again_and_no_other(failed: Bench) -> None:
    done = failed.run("resubmit", "--class", "code", "--yes")
    assert done.returncode == 1, "another is still failed"
    states = {shard["failure"]["cls"] for shard in failed.shards().values() if shard["failure"]}
    assert states == {"configuration"}
    assert sum(shard["state"] == "failed" for shard in failed.shards().values()) == 1


def test_filters_of_two_kinds_narrow_each_other_down(failed: Bench) -> None:
    both = ("--class", "code", "--shard", "lookup-pairs")
    done = failed.run("resubmit", *both)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing of that has failed" in done.stdout


def test_what_a_person_stopped_or_diverged_is_left_out_until_it_is_named(failed: Bench) -> None:
    fail(failed, "lookup-qa", "cancelled")
    fail(failed, "lookup-pairs", "diverged")
    plain = failed.run("resubmit", "--dry-run").stdout
    assert "2 failed shards to run again" in plain
    assert "left out: 1 cancelled, 1 diverged: --class cancelled|diverged to take them" in plain
    said = json.loads(failed.run("resubmit", "--dry-run", "--json").stdout)
    assert {shard["cls"] for shard in said["shards"]} == {"code", "configuration"}
    counts = {cls: len(keys) for cls, keys in said["left_out"].items()}
    assert counts == {"cancelled": 1, "diverged": 1}
    (diverged,) = said["left_out"]["diverged"]
    for named in (("--class", "diverged"), ("--shard", diverged)):
        taken = json.loads(failed.run("resubmit", *named, "--dry-run", "--json").stdout)
        assert (taken["resubmit"], taken["left_out"]) == ([diverged], {})
    done = failed.run("resubmit", "--yes")
    assert done.returncode == 1, "two wait for a person's word"
    alone = failed.run("resubmit")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert alone.stdout.startswith("nothing else has failed\nleft out: 1 cancelled, 1 diverged")


def test_at_a_terminal_n_does_nothing_and_y_does_what_was_shown_or_nothing(ended: Bench) -> None:
    path, text = fail(ended, "lookup-qa", "code")
    fail(ended, "lookup-pairs", "configuration")
    before = sorted(ended.root.rglob("*"))
    with Terminal(ended, "resubmit") as asked:
        asked.until("Run these? [y/N]")
        assert max(map(len, asked.said.splitlines())) <= 80, asked.said
        assert asked.answer("n") == 1
    assert sorted(ended.root.rglob("*")) == before
    with Terminal(ended, "resubmit") as asked:
        asked.until("Run these? [y/N]")
        path.write_text(text)  # somebody else mends one meanwhile
        assert asked.answer("y") == 2
        assert "it is no longer what was shown (no longer: " in asked.said
        assert "nothing is done, run it again" in asked.said
    assert [shard["state"] for shard in ended.shards().values()].count("failed") == 1
    with Terminal(ended, "resubmit") as asked:
        asked.until("1 failed shard to run again")
        asked.until("Run these? [y/N]")
        assert asked.answer("y") == 0, asked.said
    assert {shard["state"] for shard in ended.shards().values()} == {"done"}


def test_force_runs_anew_what_is_done_and_keeps_the_old_result(ended: Bench) -> None:
    old = ended.results()
    training = next(key for key, each in old.items() if each["stage"] == "intermediate")
    refused = ended.run("resubmit", "--mode", "force", "--yes")
    assert refused.returncode == 2
    assert "expected --shard, --class, --size or --task" in refused.stderr
    forced = ("resubmit", "--mode", "force", "--shard", training)
    preview = ended.run(*forced, "--dry-run").stdout
    assert "1 shard to run anew; old results are set aside, not lost" in preview
    assert "4 done shards come of these: stale, and run again too" in preview, preview
    children = json.loads(ended.run(*forced, "--dry-run", "--json").stdout)["may_become_stale"]
    assert all(old[key]["name"].startswith(old[training]["name"]) for key in children)
    done = ended.run(*forced, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((ended.root / "shards" / training).glob("attempts/*/claim.json"))) == 2
    kept = ended.root / "shards" / training / "attempts" / "0001" / "result.json"
    assert json.loads(kept.read_text()) == old[training]
    assert ended.results()[training]["attempt"] == 2
    others = {key: each for key, each in ended.results().items() if key != training}
    assert others == {key: each for key, each in old.items() if key != training}, (
        "the artifact is the same: no child is stale"
    )


def test_cached_is_a_sweep_and_takes_no_filter(failed: Bench) -> None:
    refused = failed.run("resubmit", "--mode", "cached", "--class", "code")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "as `xtl sweep` does" in refused.stderr
    next((failed.root / "shards").glob("*/result.json")).unlink()
    done = failed.run("resubmit", "--mode", "cached", "--yes", "--json")
    assert json.loads(done.stdout)["submitted"] >= 1
    assert sum(shard["state"] == "failed" for shard in failed.shards().values()) == 2


def test_a_pause_ends_by_a_persons_word_alone(failed: Bench) -> None:
    of = {"a": 1, "b": 1, "c": 1}
    pause = {"cause": "repeated", "line": "KeyError: of three", "since": 1.0, "shards": of}
    path: Path = failed.root / "pause.json"
    path.write_text(json.dumps(pause))
    done = failed.run("resubmit", "--yes")
    assert done.returncode == 2
    assert done.stderr == (
        "xtl: the sweep is stopped: 3 shards failed alike (KeyError: of three); mend it, then "
        "`xtl resubmit --override` (mended code: `--with current` too)\n"
    )
    said = failed.run("status").stdout
    assert "stopped: 3 shards failed alike (KeyError: of three); mend it" in " ".join(said.split())
    done = failed.run("resubmit", "--yes", "--override")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not path.exists()
    assert {shard["state"] for shard in failed.shards().values()} == {"done"}
