"""The page: it stands alone, is well formed, and lets nothing that it quotes do anything."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.analysis.runs import CONTROL, evaluation, manifest
from tests.report.sweeps import (
    BOOKS,
    ENGLISH,
    MIXED,
    catalogue_data,
    demo,
    report_data,
    with_state,
)
from xtl.analysis.coverage import ShardState
from xtl.analysis.table import Difference, build_table
from xtl.data.leakage import Overlap
from xtl.launch.space import Space, Usage
from xtl.report.data import ReportData
from xtl.report.html import question, render
from xtl.sweep.lock import pair_of
from xtl.sweep.needs import passage_pairs
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


def around(page: str, heading: str) -> tuple[str, str, str]:
    """What stands before a section, in it, and after it."""
    before, _, rest = page.partition(f"<h2>{heading}</h2>")
    section, _, after = rest.partition("</section>")
    assert section
    return before, section, after


def test_the_page_is_well_formed_and_asks_the_question(page: str) -> None:
    tree = parse(page)
    heading = tree.find(".//h1")
    assert heading is not None
    assert heading.text == question(report_data())
    assert heading.text.endswith("zero-shot cross-lingual question answering?")


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
    space = Space({HOSTILE: Usage(1, 1)})  # type: ignore[dict-item]
    page = render(
        replace(
            data, manifest_text=HOSTILE, notes=[HOSTILE], versions={HOSTILE: HOSTILE},
            created=HOSTILE, books=replace(BOOKS, space=space),
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


def test_a_strong_control_is_one_section_and_no_curve() -> None:
    controlled = render(report_data(manifest(sizes=[0, 400], strong_control=CONTROL)))
    before, section, after = around(controlled, "Strong control")
    assert section.count('<tr class="low">') == 2
    assert text_of(f"<main>{section}</main>").count(", best") == 2
    assert "all but 10% of the English training set" in section
    assert controlled.count("<figure>") == 6
    for recipe in ("5×1e-05", "held-out"):
        assert recipe not in before.partition("</style>")[2]
        assert recipe not in after.partition("<h2>Sources</h2>")[0]


def test_without_a_strong_control_there_is_no_word_of_it(page: str) -> None:
    assert "trong control" not in text_of(page)


def test_shards_of_the_strong_control_are_counted_apart_and_shown_where_they_failed() -> None:
    data = report_data(manifest(sizes=[0, 400], strong_control=CONTROL))
    data = replace(data, table=build_table(data.plan, {}))
    name, shard = next(
        (shard.name, key) for key, shard in data.plan.shards.items() if "(strong" in shard.name
    )
    page = text_of(render(with_state(data, shard, ShardState("failed", "gpu-oom"))))
    assert "Strong control: 63 of 64 shards done, 1 failed." in page
    assert f"Failed (1) stopped by an error, and not by the science {name}" in page


def test_faults_and_overlaps_are_in_a_section_with_the_reasons() -> None:
    accepted = {"training": "lookup-qa", "evaluation": "lookup-qa", "because": f"seen {HOSTILE}"}
    asked = manifest(accept_overlap=[accepted])
    lock = provisional_lock(asked)
    moved = {"faults": {"answer_start moved": 7}}
    one, other = next((one, other[0]) for one, other in passage_pairs(asked).items())
    lock = lock.model_copy(
        update={
            "tables": {key: table.model_copy(update=moved) for key, table in lock.tables.items()},
            "leakage": {pair_of(one.ref, other.ref): Overlap(3, 5)},
        }
    )
    _, section, _ = around(render(replace(not_begun(), manifest=asked, lock=lock)), "Data")
    said = text_of(f"<main>{section}</main>")
    assert "lookup-qa evaluation answer_start moved 28" in said
    assert (one.name, other.name) == (accepted["training"], accepted["evaluation"])
    assert "lookup-qa lookup-qa 3 5 1 seen </pre>" in said
    assert "<script" not in section


def test_data_that_nobody_locked_are_said_to_be_unseen(page: str) -> None:
    assert "Not locked: the data have not been looked at." in around(page, "Data")[1]


def test_sound_data_are_said_to_be_sound() -> None:
    asked = demo()
    lock = provisional_lock(asked)
    _, section, _ = around(render(replace(not_begun(), lock=lock)), "Data")
    assert "Nothing was found wrong" in section
    assert "None found." in section


def test_device_time_is_by_stage_with_its_sum(page: str) -> None:
    assert "all 0.92 h 0.77 h 0.15 h 16.5%" in text_of(page)
    assert "To go: about 0.33 h" in text_of(page)


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


@pytest.mark.slow
def test_a_page_of_all_kinds_of_task_is_well_formed_and_has_xtremes_averages() -> None:
    mixed = render(catalogue_data({**MIXED, "sizes": [0, "1%"], "replicates": [1]}))
    heading = parse(mixed).findtext(".//h1")
    assert heading is not None
    assert heading.endswith("zero-shot cross-lingual transfer?")
    _, board, _ = around(mixed, "XTREME&#39;s averages")
    said = text_of(f"<main>{board}</main>")
    assert "xquad, (EM + F1) / 2 11 of 11" in said
    assert "this sweep has xnli in 3 of 15 languages" in said
    _, retrieval, _ = around(mixed, "Retrieval")
    assert "Accuracy on tatoeba: English sentences ask for" in retrieval
    assert "F1 on bucc2018: pairs of translations are mined" in retrieval
    titles = [each.text for each in parse(mixed).iter("h2")]
    assert not [title for title in titles if title and "bucc2018" in title]


def test_a_page_of_english_alone_has_no_pictures_of_groups_or_languages() -> None:
    page = render(catalogue_data(ENGLISH))
    titles = [figure.findtext("h3") for figure in parse(page).iter("figure")]
    assert titles == ["Accuracy in English", "Gain over no intermediate training"]
    assert "By language" not in page
    assert "goes together" not in page
    assert "XTREME&#39;s averages" not in page


def test_a_page_without_any_of_xtremes_tasks_has_no_word_of_them(page: str) -> None:
    assert "XTREME&#39;s averages" not in page
