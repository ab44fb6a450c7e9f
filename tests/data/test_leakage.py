from __future__ import annotations

from xtl.data.leakage import SEQUENCE_WORDS, Overlap, Passages

RUN = " ".join(f"w{number}" for number in range(SEQUENCE_WORDS))


def overlap(training: list[str], evaluation: list[str]) -> Overlap:
    return Passages.of(training).overlap(evaluation)


def test_tables_that_share_nothing_do_not_overlap() -> None:
    found = overlap(["Oslo is in Norway."], ["Lima is in Peru."])
    assert found == Overlap(contexts=0, sequences=0)
    assert not found


def test_a_context_that_differs_in_case_and_white_space_alone_is_found() -> None:
    found = overlap(["Oslo is  in\nNorway."], [" oslo IS in Norway. "])
    assert found == Overlap(contexts=1, sequences=0)
    assert found


def test_thirteen_words_in_a_row_are_found_wherever_they_stand() -> None:
    assert overlap([f"before {RUN}"], [f"{RUN} after it"]) == Overlap(contexts=0, sequences=1)


def test_twelve_words_in_a_row_are_not() -> None:
    twelve = RUN.rpartition(" ")[0]
    assert not overlap([f"{twelve} here"], [f"{twelve} there"])


def test_words_in_another_order_are_not() -> None:
    assert not overlap([RUN], [" ".join(reversed(RUN.split()))])


def test_an_evaluation_context_counts_once_however_often_it_stands() -> None:
    assert overlap([RUN, RUN], [RUN, RUN, RUN.upper()]) == Overlap(contexts=1, sequences=1)


def test_a_context_without_words_is_no_overlap() -> None:
    assert not overlap(["", " "], ["", "\n"])


def test_a_script_without_spaces_is_compared_as_a_whole() -> None:
    assert overlap(["東京は日本の首都です。"], ["東京は日本の首都です。"]) == Overlap(1, 0)
