"""Arms that select a checkpoint are named as such, and say which one they handed over."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tests.analysis.runs import METRICS, manifest, plan, runs, straight
from xtl.analysis.table import build_table
from xtl.report.arms import arm_line, handed_over, selected_by
from xtl.report.data import HandedOver, ReportData
from xtl.report.html import render
from xtl.report.terminal import show
from xtl.report.views import make_views
from xtl.report.wording import headline
from xtl.sweep.shard import TrainSpec

PLAIN: dict[str, Any] = {"name": "epochs", "fixed": "epochs"}
BEST = PLAIN | {"name": "best", "selection": {"evaluations": 4, "rows": 64}}
EARLY = PLAIN | {"name": "early", "selection": {"evaluations": 5, "patience": 2, "rows": 128}}
ORACLE = PLAIN | {"name": "oracle", "selection": {"evaluations": 4, "by": "oracle"}}
SIZES = [0, 40, 400]
SHORT = {
    "task": "lookup-qa", "languages": ["bn", "en", "sw"], "train_on": 16,
    "training": {"batch_size": 16, "epochs": 2},
}  # fmt: skip
"""A target of two updates."""


def data(*arms: dict[str, Any], ended: bool = True, **changes: object) -> ReportData:
    """A sweep whose target trainings took all updates, half of them before what they handed over;
    an intermediate one stopped after two fifths of them, of which it handed over a half."""
    asked: dict[str, object] = {"arms": list(arms), "sizes": SIZES, "retrieval": []} | changes
    planned = plan(**asked)
    trained = {
        shard.id: (shard.stage, shard.spec.updates)
        for shard in planned.shards.values()
        if isinstance(shard.spec, TrainSpec) and ended
    }
    return ReportData(
        manifest(**asked),
        planned,
        build_table(planned, runs(planned, straight, METRICS)),
        handed_over={
            shard: HandedOver(updates, round(updates / 2))
            if stage == "target"
            else HandedOver(round(0.4 * updates), round(0.2 * updates))
            for shard, (stage, updates) in trained.items()
        },
    )


def test_an_arm_says_what_its_checkpoints_are_chosen_by() -> None:
    found = data(PLAIN, BEST, EARLY, ORACLE).plan
    _, best, early, oracle = manifest(arms=[PLAIN, BEST, EARLY, ORACLE]).arms
    assert selected_by(found, best) == (
        "the checkpoint is chosen on 64 held-out rows of each task at most, the best of 4"
    )
    assert selected_by(found, early).endswith(", and trainings may stop early")
    assert selected_by(found, oracle).endswith(
        "with a look at the target's evaluation sets: no result"
    )


def test_trainings_too_short_for_their_patience_are_not_said_to_stop_early() -> None:
    """Two updates are judged twice, and end before two evaluations can bring nothing better."""
    found = data(EARLY, sizes=[0], targets=[SHORT], primary=None)
    assert "stop early" not in selected_by(found.plan, found.manifest.arms[0])
    (block,) = handed_over(found)
    assert [row[-1] for row in block.rows] == ["–"]
    early = data(EARLY, primary=None)
    assert "trainings may stop early" in selected_by(early.plan, early.manifest.arms[0])


def test_an_arm_that_hands_over_the_last_needs_no_word() -> None:
    asked = data(PLAIN, BEST)
    assert arm_line(asked, "epochs") == ""
    assert arm_line(asked) == arm_line(asked, "best")
    assert arm_line(asked) == "Arm best: the best checkpoints, by held-out rows."


def test_each_training_has_its_checkpoint_s_place_in_what_was_planned() -> None:
    found = data(PLAIN, EARLY)
    (block,) = handed_over(found)
    assert block.title == "arm early: the best checkpoints, by held-out rows"
    assert block.rows == [
        ["size 0", "target lookup-qa", "50%", "50%", "0 of 2"],
        ["lookup-pool 40", "intermediate", "33%", "33%", "–"],  # three updates: no patience
        ["lookup-pool 40", "target lookup-qa", "50%", "50%", "0 of 2"],
        ["lookup-pool 400", "intermediate", "20%", "20%", "2 of 2"],
        ["lookup-pool 400", "target lookup-qa", "50%", "50%", "0 of 2"],
    ]


def test_the_range_is_over_replicates_and_a_missing_one_is_marked() -> None:
    found = data(BEST, primary=None)
    targets = [key for key, shard in found.plan.shards.items() if shard.stage == "target"]
    first, last = targets[0], targets[-1]  # size 0 of one replicate, 400 of the other
    handed = dict(found.handed_over)
    handed[first] = replace(handed[first], selected=handed[first].updates)
    del handed[last]
    (block,) = handed_over(replace(found, handed_over=handed))
    assert block.rows[0] == ["size 0", "target lookup-qa", "75%", "50%–100%", "–"]
    assert block.rows[-1] == ["lookup-pool 400", "target lookup-qa", "50%*", "–", "–"]


def test_an_oracle_has_no_intermediate_trainings_of_its_own() -> None:
    (block,) = handed_over(data(PLAIN, ORACLE))
    assert [row[1] for row in block.rows] == ["target lookup-qa"] * 3


def test_a_sweep_that_has_not_begun_has_dashes() -> None:
    (block,) = handed_over(data(BEST, ended=False, primary=None))
    assert {tuple(row[2:]) for row in block.rows} == {("–", "–", "–")}


@pytest.fixture(scope="module")
def page() -> str:
    return render(
        data(PLAIN, BEST, ORACLE, retrieval=[{"set": "lookup-pairs", "languages": ["de"]}])
    )


def sections(page: str) -> dict[str, str]:
    """Heading → the text of the section below it."""
    found = re.findall(r"<h2>(.*?)</h2>(.*?)</section>", page, re.DOTALL)
    return {heading: re.sub(r"<[^>]*>", "", below) for heading, below in found}


def test_the_page_names_them_wherever_arms_are_compared(page: str) -> None:
    found = sections(page)
    looked = "Arm oracle: the best checkpoints, with a look at the evaluation sets: no result."
    for heading in ("Retrieval", "Sources"):
        assert looked in found[heading]
    curves = {heading: below for heading, below in found.items() if "(lookup-pool → " in heading}
    said = {re.findall(r"arm (\w+)\)", heading)[0]: below for heading, below in curves.items()}
    assert looked in said["oracle"]
    assert "Arm best: the best checkpoints, by held-out rows." in said["best"]
    assert "best checkpoints" not in said["epochs"]


def test_the_page_says_once_how_an_arm_selects(page: str) -> None:
    assert "64 held-out rows of each task at most, the best of 4" in sections(page)["What was run"]
    assert page.count("64 held-out rows") == 1


def test_the_page_has_the_table_of_what_was_handed_over(page: str) -> None:
    below = sections(page)["Which checkpoint was handed over"]
    assert "arm best: the best checkpoints, by held-out rows" in below
    assert "Other arms hand over the last." in below


def test_without_such_an_arm_the_page_has_no_word_of_it() -> None:
    page = render(data(PLAIN, ended=False))
    assert "checkpoint is chosen" not in page
    assert "best checkpoints" not in page
    assert "Which checkpoint was handed over" not in page


def test_a_primary_contrast_of_such_an_arm_says_so_beside_the_figure() -> None:
    primary = {"task": "lookup-pool", "target": "lookup-qa", "languages": ["bn", "sw"]}
    found = headline(data(PLAIN, BEST, primary=primary | {"arm": "best"}))
    assert found
    assert found.remarks[0] == "Arm best: the best checkpoints, by held-out rows."


def test_the_terminal_says_it_below_each_curve() -> None:
    console = Console(record=True, width=200)
    show(console, data(PLAIN, ORACLE))
    printed = console.export_text()
    assert printed.count("evaluation sets: no result") == 1


def test_the_terminal_says_it_where_there_is_retrieval_alone() -> None:
    retrieval = [{"set": "lookup-pairs", "languages": ["de"]}]
    found = data(BEST, retrieval=retrieval, primary=None)
    alone = replace(found, table=found.table[found.table["set"] == "lookup-pairs"])
    console = Console(record=True, width=200)
    show(console, alone)
    curves = len([view for view in make_views(alone.table, None) if view.retrieval])
    assert console.export_text().count(arm_line(found, "best")) == curves > 0
