"""The terminal's table: within 80 columns, and nothing of it cut."""

import io

import pytest
from rich.console import Console

from tests.analysis.runs import CONTROL, evaluation, manifest
from tests.report.sweeps import ENGLISH, MIXED, catalogue_data, demo, report_data
from xtl.report.data import ReportData
from xtl.report.terminal import show
from xtl.sweep.plan import make_plan


def printed(data: ReportData, width: int = 80) -> str:
    output = io.StringIO()
    show(Console(file=output, width=width, color_system=None), data)
    return output.getvalue()


def test_no_line_is_wider_than_80_columns_and_none_is_cut() -> None:
    lost = evaluation(make_plan(demo(), None), "6%", 1)
    text = printed(report_data(without=[lost]))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_large_counts_and_many_sizes_fit_as_well() -> None:
    sizes = ["0", "0.05%", "0.1%", "0.25%", "0.5%", "1%", "2.5%", "5%", "10%", "25%", "50%", "100%"]
    text = printed(report_data(manifest(sizes=[0, *sizes[1:]])))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    for size in sizes[1:]:
        assert text.count(f" {size} ") + text.count(f"\n{size} ") + text.count(f" {size}\n") >= 2


def test_a_narrow_terminal_still_shows_every_value() -> None:
    wide, narrow = printed(report_data()), printed(report_data(), width=40)
    assert "…" not in narrow
    assert "retrieval" in narrow
    for value in ("100%", "4,096", "Swahili"):
        assert value in wide
        assert value in narrow


def rows(text: str, first: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(first)]


def test_the_values_are_those_of_the_table() -> None:
    data = report_data()
    chosen = data.table.query("language == 'sw' and metric == 'f1'")
    means = chosen.groupby("examples")["value"].mean().sort_index()
    (row,) = rows(printed(data), "Swahili")
    assert row[1:] == ["1.6", *(f"{value:.1f}" for value in means)]


def test_size_0_has_no_gain_and_every_other_size_has_one() -> None:
    text = printed(report_data())
    zero, two, *_ = [row for label in ("0 ", "2% ") for row in rows(text, label)]
    assert zero[1] == "0"
    assert len(two) == len(zero) + 1
    assert any(cell[0] in "+−" for cell in two)
    assert not any(cell[0] in "+−" for cell in zero)


def test_a_mean_over_fewer_replicates_is_marked_and_explained() -> None:
    lost = evaluation(make_plan(demo(), None), "6%", 1)
    text = printed(report_data(without=[lost]))
    (row,) = rows(text, "Swahili")
    assert [cell.endswith("*") for cell in row[2:]] == [False, False, True, False, False, False]
    assert "* fewer replicates than planned" in text
    assert "fewer replicates" not in printed(report_data())


def test_a_sweep_that_has_not_begun_has_a_table_of_dashes() -> None:
    plan = make_plan(demo(), None)
    text = printed(report_data(without=list(plan.shards)))
    (row,) = rows(text, "Swahili")
    assert row[2:] == ["–"] * 6
    assert "0 of 57 shards done, 57 missing" in text
    assert "Nothing to report yet." in text


def test_the_strong_control_is_one_line_that_says_where_it_is() -> None:
    usual = printed(report_data(manifest()))
    controlled = printed(report_data(manifest(strong_control=CONTROL)))
    line = "Strong control: 64 of 64 shards done; its table is in the report\n"
    assert controlled == usual + line


@pytest.mark.parametrize("languages", [["en"], ["bn", "sw"], ["de", "th"]])
def test_any_choice_of_languages_has_a_table(languages: list[str]) -> None:
    chosen = manifest(
        targets=[{"task": "lookup-qa", "languages": languages}], retrieval=[], primary=None
    )
    text = printed(report_data(chosen))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "declares no primary contrast" in text


def test_every_kind_of_task_has_a_table_that_fits() -> None:
    text = printed(catalogue_data(MIXED))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    for title in ("Accuracy on xnli", "F1 on xquad", "F1 on udpos", "Accuracy on hellaswag-dev"):
        assert f"{title} (hellaswag → " in text
    for retrieval in ("on tatoeba (", "on bucc2018 ("):
        assert retrieval not in text
    assert "Retrieval: mean accuracy on tatoeba" in text
    assert "(bucc2018: in the report)" in " ".join(text.split())


def test_a_set_in_english_alone_has_its_range_and_gain_and_no_groups() -> None:
    data = catalogue_data(ENGLISH)
    text = printed(data)
    assert "en range" in text
    assert "Low-resource" not in text
    assert "CC-100" not in text
    means = data.table.query("size == '1%'")["value"]
    ((_, _, mean, spread, gain),) = rows(text, "1% ")
    assert mean == f"{means.mean():.1f}"
    assert spread == f"{means.min():.1f}–{means.max():.1f}"
    assert gain.startswith("+")


def test_xtremes_averages_are_shown_where_any_task_is_evaluated_and_fit() -> None:
    sizes = [0, "0.1%", "0.25%", "0.5%", "1%", "2.5%", "5%", "10%", "25%", "50%", "100%"]
    text = printed(catalogue_data({**MIXED, "sizes": sizes, "replicates": [1]}))
    _, _, board = text.partition("XTREME's averages (hellaswag, arm epochs)\n")
    assert "xquad, (EM + F1) / 2" in board
    assert "3 of 15" in board
    assert "average of the nine" in board
    assert max(len(line) for line in board.splitlines()) <= 80
    assert "XTREME" not in printed(report_data())
