"""What a reader is told of faults in the data, and of passages that were trained on."""

from __future__ import annotations

from typing import Any

from tests.analysis.runs import manifest, plan
from tests.conftest import lock_for
from xtl.analysis.table import build_table
from xtl.data.leakage import Overlap
from xtl.report.data import ReportData
from xtl.report.soundness import Soundness, soundness
from xtl.sweep.lock import Lock, key_of, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, needs, passage_pairs

ACCEPTED = {"training": "lookup-pool", "evaluation": "lookup-qa", "because": "looked at by hand"}
LANGUAGES = ("bn", "de", "en", "ru", "sw", "te")
TARGETS: list[dict[str, Any]] = [{"task": "lookup-qa", "languages": LANGUAGES}]


def said_of(asked: Manifest, lock: Lock | None) -> Soundness | None:
    planned = plan()
    return soundness(ReportData(asked, planned, build_table(planned, {}), lock=lock))


def said(asked: Manifest, lock: Lock) -> Soundness:
    found = said_of(asked, lock)
    assert found is not None
    return found


def with_faults(asked: Manifest, faults: dict[str, dict[str, int]]) -> Lock:
    """A lock with faults by a table's config."""
    lock = lock_for(asked)
    tables = {
        key: table.model_copy(update={"faults": faults.get(table.config, {})})
        for key, table in lock.tables.items()
    }
    return lock.model_copy(update={"tables": tables})


def table_pairs(asked: Manifest) -> list[tuple[Need, Need]]:
    found = passage_pairs(asked).items()
    return [(training, other) for training, others in found for other in others]


def test_without_a_lock_nothing_is_known() -> None:
    assert said_of(manifest(), None) is None


def test_sound_data_have_no_fault_and_no_overlap() -> None:
    found = said(manifest(), lock_for(manifest()))
    assert (found.faults, found.overlaps) == ([], [])


def test_tables_of_one_data_set_with_one_fault_are_one_line_with_the_sum() -> None:
    moved = {code: {"answer_start moved": number} for number, code in enumerate(LANGUAGES, 1)}
    asked = manifest(targets=TARGETS)
    (line,) = said(asked, with_faults(asked, moved)).faults
    assert line == ["lookup-qa", "evaluation", "answer_start moved", "21", "6 of 6, most in te (6)"]


def test_a_few_tables_are_named_each_with_its_own_count() -> None:
    moved = {"sw": {"answer_start moved": 104}, "bn": {"answer_start moved": 1100}}
    (line,) = said(manifest(), with_faults(manifest(), moved)).faults
    assert line[3:] == ["1,204", "bn 1,100, sw 104"]


def test_one_table_alone_is_named_without_saying_its_count_again() -> None:
    (line,) = said(manifest(), with_faults(manifest(), {"sw": {"no tokens, left out": 2}})).faults
    assert line[2:] == ["no tokens, left out", "2", "sw"]


def test_another_fault_and_another_use_are_lines_of_their_own() -> None:
    faults = {
        "target": {"answer_start moved": 3}, "de": {"answer_start moved": 4, "unlabelled": 5},
    }  # fmt: skip
    assert [line[:4] for line in said(manifest(), with_faults(manifest(), faults)).faults] == [
        ["lookup-qa", "training", "answer_start moved", "3"],
        ["lookup-qa", "evaluation", "answer_start moved", "4"],
        ["lookup-qa", "evaluation", "unlabelled", "5"],
    ]


def test_a_locked_table_that_the_manifest_has_no_use_for_now_is_said_by_its_repo() -> None:
    lock = with_faults(manifest(), {"sw": {"answer_start moved": 104}})
    asked = manifest(targets=[{"task": "lookup-qa", "languages": ["en", "bn"]}], primary=None)
    (line,) = said(asked, lock).faults
    assert line == ["xtl/cldr-lookup", "nothing now", "answer_start moved", "104", "sw"]


def test_an_overlap_is_said_with_its_counts_over_all_tables_and_why_it_is_accepted() -> None:
    asked = manifest(accept_overlap=[ACCEPTED])
    pairs = [pair for pair in table_pairs(asked) if pair[0].name == "lookup-pool"]
    shared = {pair_of(one.ref, other.ref): Overlap(2, 700) for one, other in pairs}
    found = said(asked, lock_for(asked).model_copy(update={"leakage": shared}))
    assert found.overlaps == [
        ["lookup-pool", "lookup-qa", "8", "2,800", "4", "looked at by hand"],
    ]


def test_an_overlap_that_nobody_accepted_is_called_that() -> None:
    asked = manifest()
    one, other = table_pairs(asked)[0]
    shared = {pair_of(one.ref, other.ref): Overlap(1, 1)}
    (line,) = said(asked, lock_for(asked).model_copy(update={"leakage": shared})).overlaps
    assert line[-1] == "not accepted"


def test_how_much_was_compared_is_said() -> None:
    asked = manifest()
    first, *_ = pairs = [pair_of(one.ref, other.ref) for one, other in table_pairs(asked)]
    lock = lock_for(asked).model_copy(update={"leakage_checked": (first, "another / pair")})
    assert said(asked, lock).compared.startswith(f"Compared: 1 of {len(pairs)} pairs of ")


def test_every_need_of_the_manifest_is_told_by_its_name() -> None:
    asked = manifest()
    faulty = {need.ref.config: {"unlabelled": 1} for need in needs(asked)}
    names = {line[0] for line in said(asked, with_faults(asked, faulty)).faults}
    assert names == {"lookup-pool", "lookup-qa", "lookup-pairs"}
    assert all(key_of(need.ref) in lock_for(asked).tables for need in needs(asked))
