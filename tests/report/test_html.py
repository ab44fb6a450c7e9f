"""The page: it stands alone, is well formed, and lets nothing that it quotes do anything."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.analysis.runs import evaluation
from tests.report.sweeps import demo, report_data, with_state
from xtl.analysis.coverage import ShardState
from xtl.analysis.table import Difference
from xtl.report.data import ReportData
from xtl.report.html import QUESTION, render
from xtl.sweep.plan import make_plan
from xtl.sweep.provisional import provisional_lock
from xtl.sweep.sizes import parse_size

PLAN = make_plan(demo(), None)
LOST = evaluation(PLAN, "6%", 1)
HOSTILE = "</pre></style><script src='http://evil.example/x.js'>alert(1)</script>&\""


def not_begun() -> ReportData:
    """A sweep without runs, and so without pictures: quick to render."""
    return report_data(without=list(PLAN.shards))


@pytest.fixture(scope="module")
def page() -> str:
    return render(report_data())


def parse(page: str) -> ElementTree.Element:
    """The page as XML, which its mark-up is kept to; raises where it is not well formed."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


def text_of(page: str) -> str:
    return " ".join(" ".join(parse(page).itertext()).split())


def test_the_page_is_well_formed_and_asks_the_question(page: str) -> None:
    tree = parse(page)
    heading = tree.find(".//h1")
    assert heading is not None
    assert heading.text == QUESTION


def test_the_page_loads_nothing_from_outside(page: str) -> None:
    for element in parse(page).iter():
        assert element.tag not in ("script", "link", "img", "iframe", "object", "base")
        for key, value in element.attrib.items():
            if key.rsplit("}", 1)[-1] in ("src", "href", "srcset", "data", "action"):
                assert value.startswith("#"), (element.tag, key, value)
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_no_two_elements_share_an_id(page: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert ids
    assert len(ids) == len(set(ids))


def test_everything_that_is_quoted_is_escaped() -> None:
    data = with_state(not_begun(), LOST, ShardState("failed", "code", line=HOSTILE))
    page = render(
        replace(
            data, manifest_text=HOSTILE, notes=[HOSTILE], versions={HOSTILE: HOSTILE},
            created=HOSTILE, device_seconds={HOSTILE: 1.0},
            differences=[Difference(LOST, HOSTILE, "sw", "f1", 1.0, 2.0)],
        )
    )  # fmt: skip
    assert not list(parse(page).iter("script"))
    assert text_of(page).count("alert(1)") == 8


def test_a_page_has_six_pictures_and_the_table(page: str) -> None:
    tree = parse(page)
    assert len(tree.findall(".//figure")) == 6
    assert len([e for e in tree.iter() if e.tag.endswith("}svg") or e.tag == "svg"]) == 6
    assert "Swahili" in text_of(page)


def test_both_means_over_languages_stand_under_their_own_names(page: str) -> None:
    assert "mean with en" in page
    assert "mean without en" in page


def test_the_sizes_are_given_with_their_resolved_counts(page: str) -> None:
    assert "0, 2% = 82, 6% = 246, 20% = 819, 50% = 2,048, 100% = 4,096" in page


def test_what_is_frozen_is_said(page: str) -> None:
    facts = text_of(page)
    assert "Frozen word embeddings" in facts


def test_the_lock_tells_the_model_and_the_evaluation_examples() -> None:
    manifest = demo()
    lock = provisional_lock(manifest)
    model = lock.model.model_copy(
        update={"parameters": 117_500_000, "embedding_parameters": 96_000_000, "layers": 12}
    )
    tables = {key: t.model_copy(update={"rows": 137}) for key, t in lock.tables.items()}
    locked = lock.model_copy(update={"model": model, "tables": tables})
    page = render(replace(not_begun(), lock=locked, plan=make_plan(manifest, locked)))
    assert "12 layers, 117.5 M parameters, 96.0 M of them word embeddings" in page
    assert page.count("<td>137</td>") == 12


def test_failed_diverged_degenerate_and_missing_shards_are_told_apart() -> None:
    failed, diverged, degenerate = list(PLAN.shards)[:3]
    data = replace(not_begun(), states=dict.fromkeys(PLAN.shards, ShardState("done")))
    data = with_state(data, LOST, ShardState("lost"))
    for shard, state in {
        failed: ShardState("failed", "gpu-oom", "CUDA out of memory"),
        diverged: ShardState("failed", "diverged"),
        degenerate: ShardState("done", degenerate=True),
    }.items():
        data = with_state(data, shard, state)
    page = render(data)
    headings = [element.text for element in parse(page).iter("h3")]
    for heading in ("Failed (1)", "Diverged (1)", "Degenerate (1)", "Missing (1)"):
        assert heading in headings
    assert "gpu-oom" in page
    assert "CUDA out of memory" in page


def test_agreement_and_differences_are_both_said(page: str) -> None:
    assert "the result files agree with every value of it" in page
    difference = Difference(LOST, "a shard", "sw", "f1", 41.25, 41.0)
    other = render(replace(not_begun(), differences=[difference]))
    assert f"a shard [{LOST}], sw f1: W&amp;B has 41.25, the result file 41" in other
    assert "agree with every value" not in other


def test_device_time_is_by_stage_with_its_sum(page: str) -> None:
    assert "intermediate 0.50 h target 0.25 h evaluate 1.0 min all 0.77 h" in text_of(page)


def test_the_manifest_and_the_versions_are_in_folds(page: str) -> None:
    folds = {
        fold.findtext("summary"): "".join(fold.itertext()) for fold in parse(page).iter("details")
    }
    assert "repo: xtl/multilingual-e5-small-q4" in folds["Manifest"]
    assert "2.13.0" in folds["Versions"]
    assert {"Lock", "Words", "Secondary metrics"} <= set(folds)


def test_the_same_data_give_the_same_bytes(page: str) -> None:
    assert render(report_data()) == page


def test_a_sweep_that_has_not_begun_has_a_page_without_empty_pictures() -> None:
    page = render(not_begun())
    assert "No run of this curve has a value yet." in page
    assert "Nothing to report yet." in page
    assert not list(parse(page).iter("{http://www.w3.org/2000/svg}svg"))


def test_a_sweep_of_size_0_alone_has_a_page_without_gains() -> None:
    page = render(report_data(demo(sizes=(parse_size(0),))))
    assert "Gain over no intermediate training" not in page
    assert "F1 by language" in page
