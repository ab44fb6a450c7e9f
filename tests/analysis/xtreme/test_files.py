from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.xtreme.builders import squad, write_json, write_lines
from xtl.analysis.xtreme.files import (
    Question,
    read_answers,
    read_indices,
    read_labels,
    read_pairs,
    read_questions,
    read_tags,
)
from xtl.errors import UserError


def refused(read: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(str(path), path.name)


def test_a_label_is_its_line_without_white_space_around_it(tmp_path: Path) -> None:
    path = tmp_path / "test-sw.tsv"
    path.write_bytes(b"\xef\xbb\xbfneutral \r\nentailment\r\n\r\n")  # a Windows editor's file
    assert read_labels(path) == ["neutral", "entailment"]


def test_a_line_with_more_than_its_label_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-sw.tsv", "neutral", "neutral\tMtu\tWatu")
    assert refused(read_labels, path) == (
        "test-sw.tsv:2: found 'neutral\\tMtu\\tWatu', expected a label alone"
    )


def test_a_label_that_is_none_of_the_known_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-th.tsv", "neutral", "contradictory")
    assert refused(lambda given: read_labels(given, ("neutral", "entailment")), path) == (
        "test-th.tsv:2: found 'contradictory', expected one of neutral, entailment"
    )


@pytest.mark.parametrize("read", [read_labels, read_indices, read_pairs])
def test_an_empty_line_before_the_end_is_refused(
    read: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "a.tsv", "", "1\t1" if read is read_pairs else "1")
    assert refused(read, path).startswith("a.tsv:1: found an empty line, expected ")


def test_an_index_as_numpy_prints_a_row_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-te.tsv", "12", "[7]")
    assert refused(read_indices, path) == "test-te.tsv:2: found '[7]', expected a whole number"


def test_a_pair_counts_once_and_its_direction_matters(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-zh.tsv", "zh-1\ten-2", "zh-1\ten-2", "en-2\tzh-1")
    assert read_pairs(path) == {("zh-1", "en-2"), ("en-2", "zh-1")}


@pytest.mark.parametrize("line", ["zh-1", "zh-1 en-2", "zh-1\ten-2\t0.9", "0.9\tzh-1\ten-2"])
def test_a_line_that_is_no_pair_is_refused(line: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-zh.tsv", line)
    assert refused(read_pairs, path).endswith("expected two ids with a tab between them")


def test_sentences_of_tags_are_parted_by_empty_lines(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-my.tsv", "", "O", "B-PER", "", "", "O", "")
    assert [[line.text for line in sentence] for sentence in read_tags(path)] == [
        ["O", "B-PER"], ["O"],
    ]  # fmt: skip


def test_a_tag_with_its_word_beside_it_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-bn.tsv", "O", "", "ঢাকা\tB-LOC")
    assert refused(read_tags, path) == (
        "test-bn.tsv:3: found 'ঢাকা\\tB-LOC', expected one tag, or an empty line between sentences"
    )


def test_lines_do_not_end_at_unicode_s_other_separators(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-fa.tsv", "neutral", "neutral\u2028neutral")
    assert refused(read_labels, path).startswith("test-fa.tsv:2: found 'neutral\\u2028neutral'")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ([], "test-hi.json: found a list, expected an object of id: answer"),
        ({"q1": ["दिल्ली"]}, "test-hi.json: q1: found a list, expected an answer's text"),
        ({"q1": None}, "test-hi.json: q1: found nothing, expected an answer's text"),
        ({"q1": 1998}, "test-hi.json: q1: found a number, expected an answer's text"),
    ],
)
def test_answers_of_another_shape_are_refused(value: Any, line: str, tmp_path: Path) -> None:
    assert refused(read_answers, write_json(tmp_path / "test-hi.json", value)) == line


def test_half_a_file_of_answers_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-ko.json", '{"q1": "서울",', '"q2": "부')
    assert refused(read_answers, path).startswith("test-ko.json:2: found ")


@pytest.mark.parametrize("text", [100_000 * "[", 100_000 * '{"a":', "[" + 5_000 * "1" + "]"])
def test_what_python_cannot_read_of_json_is_one_line(text: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test-ko.json", text)
    line = refused(read_answers, path)
    assert line.startswith("test-ko.json: found ")
    assert "\n" not in line


def test_bytes_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "test-ru.tsv"
    path.write_bytes("река".encode("koi8-r"))
    assert refused(read_labels, path) == ("test-ru.tsv: byte 0 is not UTF-8, expected UTF-8 text")


@pytest.mark.parametrize("inner", [False, True])
def test_questions_are_read_with_and_without_data_around_them(inner: bool, tmp_path: Path) -> None:
    whole = squad({"q1": ["ঢাকা"], "q2": ["১৯৯৮", "1998"]})
    path = write_json(tmp_path / "test-bn.json", whole["data"] if inner else whole)
    assert read_questions(path) == [Question("q1", ("ঢাকা",)), Question("q2", ("১৯৯৮", "1998"))]


@pytest.mark.parametrize("value", [{}, [1], {"data": [{"paragraphs": 3}]}, "text", None])
def test_labels_that_are_not_in_squad_s_layout_are_refused(value: Any, tmp_path: Path) -> None:
    path = write_json(tmp_path / "test-bn.json", value)
    assert "SQuAD's layout" in refused(read_questions, path)


@pytest.mark.parametrize(
    "question", [{"id": "q1", "answers": []}, {"id": "q1"}, {"answers": [{"text": "x"}]}, 3]
)
def test_a_question_without_an_id_or_an_answer_is_refused(question: Any, tmp_path: Path) -> None:
    whole = [{"paragraphs": [{"qas": [question]}]}]
    assert "an answer to every question" in refused(
        read_questions, write_json(tmp_path / "test-bn.json", whole)
    )


def test_a_file_without_a_question_is_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "test-bn.json", {"data": []})
    assert refused(read_questions, path) == "test-bn.json: found no question, expected some"
