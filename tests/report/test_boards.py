"""XTREME's averages as they are shown: what each row is of, and why an average is absent."""

from __future__ import annotations

import pytest

from tests.report.sweeps import MIXED, NINE, catalogue_data, report_data
from xtl.analysis.summary import WITH_ENGLISH, series
from xtl.report.boards import Board, Line, boards
from xtl.report.data import ReportData
from xtl.sweep.shard import EvaluateSpec


def board(data: ReportData) -> Board:
    (found,) = boards(data.table, data)
    return found


@pytest.fixture(scope="module")
def mixed() -> Board:
    return board(catalogue_data(MIXED))


def line(found: Board, name: str, series: str = "") -> Line:
    (one,) = [each for each in found.lines if each.name == name and series in each.series]
    return one


def test_a_sweep_without_any_of_the_nine_has_none() -> None:
    data = report_data()
    assert boards(data.table, data) == []


def test_groups_stand_above_their_tasks_and_only_where_they_have_any(mixed: Board) -> None:
    assert [(each.kind, each.name, each.languages) for each in mixed.lines] == [
        ("group", "classification", ""),
        ("task", "xnli, accuracy", "3 of 15"),
        ("without English", "without English", "2 of 14"),
        ("group", "structured prediction", ""),
        ("task", "udpos, F1", "2 of 33"),
        ("without English", "without English", "2 of 32"),
        ("group", "question answering", ""),
        ("task", "xquad, (EM + F1) / 2", "11 of 11"),
        ("without English", "without English", "10 of 10"),
        ("group", "retrieval", ""),
        ("task", "bucc2018, F1", "4 of 4"),
        ("task", "tatoeba, accuracy", "2 of 36"),
        ("all", "average of the nine", ""),
    ]


def test_a_score_is_the_mean_over_replicates_of_the_languages_mean(mixed: Board) -> None:
    rows = catalogue_data(MIXED).table.query(
        "set == 'xquad' and metric in ('f1', 'exact_match') and size == '1%'"
    )
    point = mixed.level(line(mixed, "xquad, (EM + F1) / 2"), "1%")
    assert point.mean == pytest.approx(rows["value"].mean())
    assert (point.runs, point.planned) == (2, 2)
    others = mixed.level(line(mixed, "without English", "xquad"), "1%")
    assert others.mean == pytest.approx(rows.query("language != 'en'")["value"].mean())


def test_what_english_was_not_asked_for_has_a_score_without_it_alone(mixed: Board) -> None:
    assert mixed.level(line(mixed, "udpos, F1"), "1%").runs == 0
    assert mixed.level(line(mixed, "without English", "udpos"), "1%").runs == 2


def test_why_averages_are_absent_is_said(mixed: Board) -> None:
    assert mixed.level(line(mixed, "average of the nine"), "1%").runs == 0
    assert mixed.missing == (
        "An average needs its tasks whole; this sweep has xnli in 3 of 15 languages; udpos in 2 "
        "of 33 languages; tatoeba in 2 of 36 languages, and does not have paws-x, panx, mlqa and "
        "tydiqa."
    )


def test_the_whole_benchmark_has_every_average_and_nothing_to_say() -> None:
    found = board(catalogue_data(NINE))
    assert found.missing == ""
    assert all(found.level(each, size).runs for each in found.lines for size, _ in found.sizes)
    assert found.means == "In %, mean over 2 replicates."


def test_a_sample_of_a_set_is_no_score_of_xtreme() -> None:
    data = catalogue_data(
        {**NINE, "targets": [{"task": "xquad", "evaluate_on": 100}, {"task": "mlqa"}]}
    )
    specs = [shard.spec for shard in data.plan.shards.values()]
    assert {s.examples for s in specs if isinstance(s, EvaluateSpec) and s.set == "xquad"} == {100}
    assert "has xquad with 100 examples of each, and does not have" in board(data).missing


def test_a_missing_replicate_is_marked_and_explained() -> None:
    whole = catalogue_data(MIXED)
    cell = next(
        cell for cell in whole.plan.cells
        if (cell.size, cell.seed, cell.target) == ("100%", 2, "xquad")
    )  # fmt: skip
    found = board(catalogue_data(MIXED, without=[dict(cell.evaluations)["xquad"]]))
    assert found.level(line(found, "xquad, (EM + F1) / 2"), "100%").partial
    assert not found.level(line(found, "xnli, accuracy"), "100%").partial
    assert found.means.endswith("; * fewer than planned.")


def test_each_task_and_arm_has_a_table_of_its_own() -> None:
    arms = [{"name": "epochs", "fixed": "epochs"}, {"name": "steps", "fixed": "updates"}]
    tasks = [{"task": "hellaswag"}, {"task": "qqp"}]
    data = catalogue_data({**MIXED, "intermediate": tasks, "arms": arms})
    assert [each.title for each in boards(data.table, data)] == [
        "hellaswag, arm epochs", "hellaswag, arm steps", "qqp, arm epochs", "qqp, arm steps",
    ]  # fmt: skip


def test_a_score_of_accuracy_is_the_mean_with_english_of_the_curve(mixed: Board) -> None:
    curve = series(catalogue_data(MIXED).table).query("set == 'xnli' and size == '1%'")
    mean = curve.query(f"series == '{WITH_ENGLISH}'")["value"].mean()
    assert mixed.level(line(mixed, "xnli, accuracy"), "1%").mean == pytest.approx(mean)
