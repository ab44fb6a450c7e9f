"""BUCC's own files of two languages, as one table of sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.data.own.bucc import bucc_files
from xtl.data.own.records import files_of, read_records
from xtl.errors import UserError

FILES = {
    "zh-en.dev.zh": "zh-1\t下雨了。\nzh-2\t河很长。\n",
    "zh-en.dev.en": "en-1\tIt is raining.\nen-2\tThe river is long.\n",
    "zh-en.dev.gold": "zh-2\ten-2\n",
    "zh-en.test.zh": "zh-1\t街道是湿的。\n",
    "zh-en.test.en": "en-1\tThe street is wet.\n\n",
    "zh-en.test.gold": "zh-1\ten-1\n",
}
WET = {"id": "test:zh-1", "text": "街道是湿的。", "side": "foreign", "split": "test",
       "match": "test:en-1"}  # fmt: skip


def stem(folder: Path, **changes: str | None) -> Path:
    """What the files begin with, after some are changed (`dev_gold`), or left out."""
    named = {f"zh-en.{name.replace('_', '.')}": content for name, content in changes.items()}
    for name, content in (FILES | named).items():
        if content is not None:
            (folder / name).write_text(content, "utf-8")
    return folder / "zh-en"


def test_sentences_of_both_sides_and_both_splits_are_records(tmp_path: Path) -> None:
    records = dict(read_records(stem(tmp_path), "bucc"))
    assert [each["id"] for each in records.values()] == [
        "dev:zh-1", "dev:zh-2", "dev:en-1", "dev:en-2", "test:zh-1", "test:en-1",
    ]  # fmt: skip
    assert records["zh-en.test.zh, line 1"] == WET
    assert records["zh-en.dev.zh, line 2"]["match"] == "dev:en-2"
    assert records["zh-en.dev.zh, line 1"]["match"] == ""
    assert records["zh-en.dev.en, line 2"] == {
        "id": "dev:en-2", "text": "The river is long.", "side": "english", "split": "dev",
        "match": "",
    }  # fmt: skip


def test_the_shared_task_s_own_names_of_the_splits_are_known(tmp_path: Path) -> None:
    usual = list(read_records(stem(tmp_path), "bucc"))
    for name in FILES:
        other = name.replace("dev", "sample").replace("test", "training")
        (tmp_path / name).rename(tmp_path / other)
    again = list(read_records(tmp_path / "zh-en", "bucc"))
    assert [record for _, record in again] == [record for _, record in usual]


def test_of_test_s_two_names_the_one_with_gold_pairs_is_read(tmp_path: Path) -> None:
    """BUCC's true test pools, without gold pairs, may lie beside its training ones."""
    given = stem(tmp_path, test_gold=None, training_zh="zh-7\t七\n",
                 training_en="en-7\tSeven\n", training_gold="zh-7\ten-7\n")  # fmt: skip
    assert [path.name for path in bucc_files(given)[3:]] == [
        f"zh-en.training.{end}" for end in ("zh", "en", "gold")
    ]


def test_one_split_may_be_all_there_is(tmp_path: Path) -> None:
    given = stem(tmp_path, test_zh=None, test_en=None, test_gold=None)
    assert {record["split"] for _, record in read_records(given, "bucc")} == {"dev"}


def test_a_sentence_may_have_several_translations(tmp_path: Path) -> None:
    gold = "zh-2\ten-2\nzh-2\ten-1\nzh-2\ten-2\nzh-1\ten-2\n"
    records = dict(read_records(stem(tmp_path, dev_gold=gold), "bucc"))
    assert records["zh-en.dev.zh, line 2"]["match"] == "dev:en-2 dev:en-1"
    assert records["zh-en.dev.zh, line 1"]["match"] == "dev:en-2"


def test_another_format_is_one_file() -> None:
    assert files_of(Path("a.tsv")) == [Path("a.tsv")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_gold": None}, "zh-en.test.gold: found no such file, expected it beside "
         "zh-en.test.zh, zh-en.test.en (XTREME's download deletes that of test: it is BUCC's "
         "training.gold)"),
        ({"dev_en": None}, "zh-en.dev.en: found no such file, expected it beside zh-en.dev.zh, "
         "zh-en.dev.gold"),
        ({"dev_gold": "zh-9\ten-2\n"},
         "zh-en.dev.gold: line 1: found zh-9, expected the id of a sentence in zh-en.dev.zh"),
        ({"dev_gold": "zh-2\ten-2\nzh-1\ten-9\nzh-2\ten-9\n"},
         "zh-en.dev.gold: line 2: found en-9, expected the id of a sentence in zh-en.dev.en"),
        ({"dev_zh": "zh-1\t一\nzh-2 二\n"},
         "zh-en.dev.zh: line 2: found 'zh-2 二', expected an id and a sentence with a tab between"),
        ({"dev_gold": "zh-1\n"},
         "zh-en.dev.gold: line 1: found 'zh-1', expected two ids with a tab between"),
        ({"sample_zh": "zh-7\t七\n", "sample_en": "en-7\tSeven\n", "sample_gold": "zh-7\ten-7\n"},
         "zh-en.sample.gold: found beside zh-en.dev.gold, expected one alone: both are dev"),
        ({"dev_gold": ""}, "zh-en.dev.gold: found an empty file, expected records"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line(tmp_path: Path, changes: dict[str, str | None], words: str) -> None:
    with pytest.raises(UserError) as error:
        list(read_records(stem(tmp_path, **changes), "bucc"))
    assert str(error.value) == f"{tmp_path}/{words}"


def test_where_there_is_no_file_the_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"de-en\.dev\.de: found no such file, expected BUCC's"):
        bucc_files(tmp_path / "de-en")


@pytest.mark.parametrize("name", ["", "zh-en.dev.zh", "zh", "bucc2018.zh-de"])
def test_a_path_that_no_name_begins_with_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="expected what BUCC's files begin with, such as"):
        bucc_files(stem(tmp_path).parent / name)
