"""`xtl rescore` on a finished sweep: what it finds, what it says, and that it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobs.options import DEMO, session
from jobs.rescore import show, summary
from tests.bench import Bench
from tests.conftest import lock_for
from xtl.evaluate.predictions import read_predictions, write_predictions
from xtl.evaluate.rescoring import Figure
from xtl.report.rescoring import Rescored
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Shard


def said(bench: Bench, *options: str) -> tuple[int, dict[str, Any]]:
    done = bench.run("rescore", "--json", *options)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def result_of(bench: Bench, set_name: str) -> Path:
    """The result of one evaluation on the set."""
    for path in sorted((bench.root / "shards").glob("*/result.json")):
        spec = json.loads(path.with_name("shard.json").read_text())["spec"]
        if spec["kind"] == "evaluate" and spec["set"] == set_name:
            return path
    raise AssertionError(set_name)


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))


def contents(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: sha256(path.read_bytes()).hexdigest() for path in files}


# -- on a finished sweep ----------------------------------------------------------------------
@pytest.mark.slow
def test_all_figures_of_a_sound_sweep_are_equal_and_nothing_is_written(swept: Bench) -> None:
    before = contents(swept.root)
    plain, dry = said(swept), said(swept, "--dry-run")
    assert plain == dry
    status, found = plain
    assert (status, found["figures"], found["faults"]) == (0, [], [])
    evaluated = [result for result in swept.results().values() if result["metrics"]]
    assert found["evaluations"] == len(evaluated) == 6
    kept = sum(len(own) for result in evaluated for own in result["metrics"].values())
    assert found["compared"] == found["equal"] == kept
    assert contents(swept.root) == before


@pytest.mark.slow
def test_a_figure_that_is_not_what_its_predictions_say_is_shown_with_both(finished: Bench) -> None:
    path = result_of(finished, "lookup-qa")
    was = json.loads(path.read_text())["metrics"]["sw"]["f1"]
    edit(path, lambda result: result["metrics"]["sw"].update(f1=was + 0.5))
    edit(path, lambda result: result["metrics"]["en"].pop("exact_match"))
    status, found = said(finished)
    differs, new = sorted(found["figures"], key=lambda each: each["verdict"])
    assert status == 1
    assert (differs["shard"], differs["language"]) == (path.parent.name, "sw")
    assert differs["stored"] - differs["again"] == pytest.approx(0.5)
    assert (new["verdict"], new["metric"], new["stored"]) == ("new", "exact_match", None)
    assert found["compared"] == found["equal"] + 1


@pytest.mark.slow
def test_a_metric_that_is_new_is_no_difference(finished: Bench) -> None:
    path = result_of(finished, "lookup-qa")
    edit(path, lambda result: result["metrics"]["en"].pop("exact_match"))
    done = finished.run("rescore")
    assert done.returncode == 0, done.stderr
    assert "compared: all equal; 1 new" in done.stdout


@pytest.mark.slow
def test_predictions_that_were_changed_are_told_from_those_that_were_written(
    finished: Bench,
) -> None:
    path = result_of(finished, "lookup-qa").with_name("predictions.parquet")
    kept = read_predictions(path)
    write_predictions(path, [replace(each, text=f"not {each.text}") for each in kept])
    edit(
        path.with_name("result.json"),
        lambda result: result["predictions"].update(bytes=path.stat().st_size),
    )
    status, found = said(finished)
    assert status == 1
    (fault,) = found["faults"]
    assert (fault["shard"], "it was changed since" in fault["line"]) == (path.parent.name, True)
    assert {each["shard"] for each in found["figures"]} == {path.parent.name}


@pytest.mark.slow
def test_predictions_of_other_rows_are_a_fault_of_their_shard_alone(finished: Bench) -> None:
    path = result_of(finished, "lookup-qa").with_name("predictions.parquet")
    write_predictions(path, read_predictions(path)[1:])
    edit(
        path.with_name("result.json"),
        lambda result: result["predictions"].update(bytes=path.stat().st_size),
    )
    status, found = said(finished)
    assert status == 1
    assert [fault["shard"] for fault in found["faults"]] == [path.parent.name]
    assert "found 95, expected one for each of 96 rows" in found["faults"][0]["line"]
    assert found["evaluations"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("kept", [None, 100])
def test_predictions_that_are_missing_or_cut_are_a_fault_and_not_passed_over(
    kept: int | None, finished: Bench
) -> None:
    path = result_of(finished, "lookup-qa").with_name("predictions.parquet")
    size, expected = path.stat().st_size, "found no file"
    if kept is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:kept])
        expected = f"found {kept} bytes"
    status, found = said(finished)
    assert (status, found["evaluations"], found["figures"]) == (1, 6, [])
    assert [fault["shard"] for fault in found["faults"]] == [path.parent.name]
    assert found["faults"][0]["line"] == f"{path}: {expected}, expected {size:,} bytes"
    told = finished.run("rescore").stdout.splitlines()[-1]
    assert "of 5 evaluations compared: all equal; predictions of 1 missing or changed" in told


@pytest.mark.slow
def test_a_sweep_that_has_no_lock_is_one_line_and_status_2(prepared: Bench, tmp_path: Path) -> None:
    bench = prepared.copy(tmp_path)
    (bench.root / "lock.json").unlink()
    done = bench.run("rescore")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("xtl: lock.json: found none")


@pytest.mark.slow
def test_before_any_evaluation_there_is_nothing_to_compare(prepared: Bench) -> None:
    done = prepared.run("rescore")
    assert done.returncode == 0
    assert done.stdout == "nothing to compare: no evaluation has a result yet\n"


# -- what it prints ---------------------------------------------------------------------------
@pytest.fixture
def evaluation(tmp_path: Path) -> Shard:
    """The demo's evaluation with the longest name."""
    opened = session(DEMO, tmp_path, "local", None)
    opened.store.write_lock(lock_for(opened.manifest))
    return longest(opened.plan)


def longest(plan: Plan) -> Shard:
    shards = (shard for shard in plan.shards.values() if isinstance(shard.spec, EvaluateSpec))
    return max(shards, key=lambda shard: len(shard.name))


FIGURES = (
    Figure("sw", "exact_match_unicode", 41.25, 41.0),
    Figure("sw", "exact_match", 100.0, 100.0),
    Figure("bn", "accuracy_from_foreign", None, 12.5),
    Figure("bn", "f1", 100.0, None),
)


def printed(found: list[Rescored], every: bool = False) -> list[str]:
    out = StringIO()
    show(found, every, Console(file=out, width=80))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_only_what_is_not_equal_is_shown_and_fits_80_columns(evaluation: Shard) -> None:
    lines = printed([Rescored(evaluation, FIGURES)])
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == evaluation.name
    assert [line.split()[1:] for line in lines[2:-1]] == [
        ["sw", "exact_match_unicode", "41.2500", "41.0000", "-0.25"],
        ["bn", "accuracy_from_foreign", "–", "12.5000", "new"],
        ["bn", "f1", "100.0000", "–", "gone"],
    ]
    assert lines[-1] == "3 figures of 1 evaluation compared: 1 equal, 2 not; 1 new"
    assert len(printed([Rescored(evaluation, FIGURES)], every=True)) == len(lines) + 1


def test_a_shard_whose_figures_are_equal_is_not_named(evaluation: Shard) -> None:
    assert printed([Rescored(evaluation, FIGURES[1:2])]) == [
        "1 figure of 1 evaluation compared: all equal"
    ]


def test_a_fault_is_said_whole_below_the_shards_name(evaluation: Shard) -> None:
    fault = "predictions of sw: " + 90 * "x"
    lines = printed([Rescored(evaluation, fault=fault)])
    assert lines[:2] == [evaluation.name, f"  {fault}"]
    assert summary([Rescored(evaluation, fault=fault)]).endswith(
        "0 figures of 0 evaluations compared; predictions of 1 missing or changed"
    )


@pytest.mark.parametrize(
    ("figures", "fault", "sound"),
    [
        (FIGURES[1:3], "", True),
        (FIGURES[:1], "", False),
        (FIGURES[3:], "", False),
        ((), "x", False),
    ],
)
def test_a_new_metric_is_sound_and_a_difference_a_loss_or_a_fault_is_not(
    evaluation: Shard, figures: tuple[Figure, ...], fault: str, sound: bool
) -> None:
    assert Rescored(evaluation, figures, fault).sound is sound
