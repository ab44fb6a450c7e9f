"""Pools to be mined: out of gold pairs and two pools, out of BUCC's files, out of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.snapshots import read, write
from xtl.errors import UserError
from xtl.tasks.entries import DatasetRef
from xtl.tasks.mining_rows import halved
from xtl.tasks.own import build_own, own_source
from xtl.tasks.tables import TableRows, content_hash, read_table, texts

POOLS = DatasetRef("our/pools", "gold", "train", "bucc-pools")


def row(key: str, split: str = "dev", match: str = "", side: str = "") -> dict[str, Any]:
    side = side or ("english" if key.startswith("en") else "foreign")
    return {"id": key, "text": f"{key}.", "side": side, "split": split, "match": match}


def pair(number: int, split: str) -> list[dict[str, Any]]:
    return [row(f"zh-{number}", split, f"en-{number}"), row(f"en-{number}", split)]


BOTH = [*pair(1, "dev"), row("zh-2"), *pair(3, "test"), row("en-4", "test")]


def own(folder: Path, rows: list[dict[str, Any]]) -> TableRows:
    return read(folder, rows, "own:mining")


def write_pools(folder: Path, pairs: int, target: str = "en-{}") -> None:
    """As many pairs, and a sentence more on the foreign side."""
    numbers = range(pairs)
    write(folder, [{"id": f"zh-{n}", "sentence": f"你{n}。"} for n in range(pairs + 1)], "zh")
    write(folder, [{"id": f"en-{n}", "sentence": f"You {n}."} for n in numbers], "en")
    write(
        folder,
        [{"source_id": f"zh-{n}", "target_id": target.format(n)} for n in numbers],
        "gold",
    )


def test_pools_and_gold_pairs_become_rows_of_single_sentences(tmp_path: Path) -> None:
    write_pools(tmp_path, 20)
    rows = read_table(tmp_path, POOLS).rows
    assert rows.column_names == ["id", "text", "side", "split", "match"]
    assert rows[3] | {"split": ""} == {
        "id": "zh-3", "text": "你3。", "side": "foreign", "split": "", "match": "en-3",
    }  # fmt: skip
    assert rows[20]["match"] == ""
    assert rows[24] | {"split": ""} == {
        "id": "en-3", "text": "You 3.", "side": "english", "split": "", "match": "",
    }  # fmt: skip
    assert len(rows) == 41


def test_a_gold_pair_whose_sentence_no_pool_has_is_refused(tmp_path: Path) -> None:
    write_pools(tmp_path, 3, target="en-9{}")
    words = "gold/train: row 1: target_id: found 'en-90', expected one of the English"
    with pytest.raises(UserError, match=words):
        read_table(tmp_path, POOLS)


def test_gold_pairs_alone_are_refused_and_what_to_bring_is_said(tmp_path: Path) -> None:
    pairs = [{"source_sentence": "Ja.", "target_sentence": "Yes."}]
    with pytest.raises(UserError, match=r"set/train: found gold pairs alone.*format: bucc") as no:
        read(tmp_path, pairs, "bucc")
    assert "\n" not in str(no.value)


def test_a_folder_with_the_family_s_columns_can_stand_for_the_hub_s_set(tmp_path: Path) -> None:
    assert read(tmp_path, BOTH, "bucc").rows.to_list() == BOTH


def test_two_splits_stay_as_they_are(tmp_path: Path) -> None:
    found = own(tmp_path, BOTH)
    assert found.rows.to_list() == BOTH
    assert found.faults == {}


def test_a_search_for_leaks_sees_the_sentences_alone(tmp_path: Path) -> None:
    assert list(texts(own(tmp_path, BOTH).rows, "mining")) == [each["text"] for each in BOTH]


# ---- one split alone --------------------------------------------------------------------------
@pytest.mark.parametrize("split", ["dev", "test"])
def test_one_split_alone_is_cut_in_halves_and_that_is_said(tmp_path: Path, split: str) -> None:
    rows = [each for number in range(100) for each in pair(number, split)]
    found = own(tmp_path, rows)
    splits = [each["split"] for each in found.rows]
    assert found.faults == {halved(split): 200}
    assert 60 < splits.count("dev") < 140
    assert {"dev", "test"} == set(splits)


def test_pairs_stay_together_in_a_half(tmp_path: Path) -> None:
    rows = [each for number in range(60) for each in pair(number, "dev")]
    splits = {each["id"]: each["split"] for each in own(tmp_path, rows).rows}
    for number in range(60):
        assert splits[f"zh-{number}"] == splits[f"en-{number}"]


def test_pairs_that_share_a_sentence_stay_together_in_a_half(tmp_path: Path) -> None:
    rows = [each for number in range(30) for each in pair(number, "dev")]
    chains = []
    for number in range(0, 30, 3):
        rows[2 * number]["match"] = f"en-{number} en-{number + 1} en-{number + 2}"
        chains.append([f"{side}-{number + more}" for side in ("zh", "en") for more in range(3)])
    splits = {each["id"]: each["split"] for each in own(tmp_path, rows).rows}
    assert [len({splits[key] for key in chain}) for chain in chains] == [1] * 10


def test_the_order_of_rows_has_no_say_in_the_halves(tmp_path: Path) -> None:
    rows = [each for number in range(40) for each in pair(number, "dev")]
    there = {each["id"]: each["split"] for each in own(tmp_path / "a", rows).rows}
    back = {each["id"]: each["split"] for each in own(tmp_path / "b", rows[::-1]).rows}
    assert there == back


# ---- what is refused --------------------------------------------------------------------------
def changed(place: int, **values: str) -> list[dict[str, Any]]:
    return [{**each, **values} if index == place else each for index, each in enumerate(BOTH)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (changed(2, side="left"), r"row 3: side: found 'left', expected foreign or english"),
        (changed(2, split="train"), r"row 3: split: found 'train', expected dev or test"),
        (changed(2, id="zh 2"), r"row 3: id: found 'zh 2', expected text without spaces"),
        (changed(2, id=""), r"row 3: id: found '', expected text without spaces"),
        (changed(5, match="zh-3"), r"row 6: match: found 'zh-3' of an English sentence"),
        (changed(2, id="zh-1"), r"row 3: id: found 'zh-1' again, expected each once"),
        (changed(3, match="en-1"), r"row 4: match: found 'en-1', expected the id of an English "
         r"sentence of test"),
        (changed(0, match="zh-2"), r"row 1: match: found 'zh-2', expected the id of an English"),
        (changed(0, match=""), r"dev: found no gold pair"),
        ([*BOTH[:3], BOTH[4]], r"test: found no foreign sentence"),
        ([*BOTH[:3], row("zh-3", "test")], r"test: found no English sentence"),
        ([{"id": "a", "text": "b"}], r"row 1: side: found nothing, expected text"),
    ],
)  # fmt: skip
def test_what_cannot_be_mined_is_one_line(
    tmp_path: Path, rows: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(UserError, match=words) as error:
        own(tmp_path, rows)
    assert "\n" not in str(error.value)


# ---- BUCC's own files, and tables -------------------------------------------------------------
def write_bucc(stem: Path, *splits: str) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    for split in splits:
        numbered = [f"{number:09}" for number in range(1, 41)]
        for language, word in (("zh", "你"), ("en", "You")):
            lines = [f"{language}-{number}\t{word} {split} {number}\n" for number in numbered]
            stem.with_name(f"{stem.name}.{split}.{language}").write_text("".join(lines), "utf-8")
        gold = [f"zh-{number}\ten-{number}\n" for number in numbered[::2]]
        stem.with_name(f"{stem.name}.{split}.gold").write_text("".join(gold), "utf-8")


def placed(staged: Path, path: Path, format: Any = "auto") -> TableRows:
    """A path put into a snapshot, and read from there."""
    build_own(staged, {"zh": path}, format, {}, "mining", (), lambda line: None)
    return read_table(staged, DatasetRef("own/bucc", "zh", "data", "own:mining"))


def test_bucc_s_own_files_are_two_splits(tmp_path: Path) -> None:
    """Their ids begin anew in each split; what is mined must not mix them up."""
    write_bucc(tmp_path / "given" / "zh-en", "dev", "test")
    found = placed(tmp_path / "put", tmp_path / "given" / "zh-en", "bucc")
    assert found.faults == {}
    assert len(found.rows) == 160
    gold = [(each["id"], each["match"]) for each in found.rows if each["match"]]
    assert gold[0] == ("dev:zh-000000001", "dev:en-000000001")
    assert gold[-1] == ("test:zh-000000039", "test:en-000000039")
    assert len(gold) == 40


def test_each_of_bucc_s_files_has_a_say_in_what_the_snapshot_is_made_of(tmp_path: Path) -> None:
    stem = tmp_path / "zh-en"
    write_bucc(stem, "dev", "test")

    def recipe() -> Any:
        files = {"zh": stem}
        return own_source("own/b", files, "bucc", {}, "mining", (), lambda line: None).recipe

    before = recipe()
    assert recipe() == before
    for path in sorted(tmp_path.iterdir()):
        kept = path.read_bytes()
        path.write_bytes(kept + b"zh-9\ten-9\n")
        assert recipe() != before
        path.write_bytes(kept)


def test_bucc_s_dev_files_alone_are_cut_in_halves(tmp_path: Path) -> None:
    write_bucc(tmp_path / "given" / "zh-en", "dev")
    found = placed(tmp_path / "put", tmp_path / "given" / "zh-en", "bucc")
    assert found.faults == {halved("dev"): 80}


def test_a_table_of_one_s_own_needs_no_match_where_there_is_none(tmp_path: Path) -> None:
    lines = ["id\ttext\tside\tsplit\tmatch"]
    lines += ["\t".join(each[name] for name in lines[0].split("\t")) for each in BOTH]
    tsv = tmp_path / "pools.zh.tsv"
    tsv.write_text("\n".join(lines) + "\n", "utf-8")
    assert placed(tmp_path / "tsv", tsv).rows.to_list() == BOTH


def test_the_same_rows_have_one_content_whatever_they_came_in(tmp_path: Path) -> None:
    jsonl = tmp_path / "pools.zh.jsonl"
    said = [{key: value for key, value in each.items() if value} for each in reversed(BOTH)]
    jsonl.write_text("".join(f"{json.dumps(each)}\n" for each in reversed(said)), "utf-8")
    found = placed(tmp_path / "put", jsonl)
    assert content_hash(found.rows) == content_hash(own(tmp_path / "table", BOTH).rows)
