"""What the hub's data get wrong, in records of our own with the same faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from tests.records import real_records
from tests.tasks.records import question
from tests.tasks.snapshots import read
from xtl.tasks import repairs
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.entries import DatasetRef
from xtl.tasks.tables import TableRows, read_table

NLI = ("entailment", "neutral", "contradiction")


def pair(label: object) -> dict[str, Any]:
    return {"sentence1": "It rains.", "sentence2": "It is dry.", "label": label}


def tagged(tokens: list[str], tags: list[Any]) -> dict[str, Any]:
    return {"tokens": tokens, "tags": tags}


def treebank(*sentences: str) -> list[dict[str, Any]]:
    return [{"tokens": text.split(), "pos_tags": [7] * len(text.split())} for text in sentences]


# ---- answers ----------------------------------------------------------------------------------
def test_an_answer_is_found_again_where_the_context_lost_its_leading_space(tmp_path: Path) -> None:
    right = question("Tana ni mto. Tana ni mrefu.", "Tana", name="a", start=13)
    moved = question("Tana ni mto. Tana ni mrefu.", "Tana", name="b", start=15)
    found = read(tmp_path, [right, moved], "squad")
    assert [row["answers"]["answer_start"] for row in found.rows] == [[13], [13]]
    assert found.faults == {repairs.MOVED: 1}


def test_a_row_with_several_moved_answers_counts_once(tmp_path: Path) -> None:
    row = question("Tana ni mto.", "Tana", name="a", start=2)
    row["answers"] = {"text": ["Tana", "mto"], "answer_start": [2, 10]}
    found = read(tmp_path, [row], "squad")
    assert found.rows[0]["answers"] == {"text": ["Tana", "mto"], "answer_start": [0, 8]}
    assert found.faults == {repairs.MOVED: 1}


def test_an_answer_that_its_context_lacks_is_left_out_of_training(tmp_path: Path) -> None:
    rows = [question("Tana ni mto.", "Nile", name="a", start=0), question("Tana.", "Tana")]
    found = read(tmp_path, rows, "squad", trained=True)
    assert found.rows["id"][:] == ["q"]
    assert found.faults == {repairs.LOST: 1}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_answer_that_its_context_lacks_stays_in_an_evaluation(
    tmp_path: Path, split: str
) -> None:
    rows = [question("Tana ni mto.", "Nile", name="a", start=0), question("Tana.", "Tana")]
    found = read(tmp_path, rows, "squad", split=split)
    assert found.rows.to_list() == rows
    assert found.faults == {repairs.KEPT: 1}


@pytest.mark.parametrize("trained", [True, False])
def test_answers_are_mended_alike_however_the_rows_are_batched(
    tmp_path: Path, trained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        question("Tana ni mto.", answer, name=f"{k} {answer}", start=start)
        for k in range(4)
        for answer, start in (("Tana", 0), ("mto", 2), ("Nile", 0))
    ]
    whole = read(tmp_path, rows, "squad", trained=trained)
    monkeypatch.setattr(repairs, "_BATCH_ROWS", 5)
    pieces = read(tmp_path, rows, "squad", trained=trained)
    assert pieces.rows.to_list() == whole.rows.to_list()
    lost = repairs.LOST if trained else repairs.KEPT
    assert pieces.faults == whole.faults == {repairs.MOVED: 4, lost: 4}


def test_a_training_row_keeps_its_answers_if_it_has_another_one(tmp_path: Path) -> None:
    row = question("Tana ni mto.", "Tana")
    row["answers"] = {"text": ["Nile", "Tana"], "answer_start": [0, 0]}
    found = read(tmp_path, [row], "squad", trained=True)
    assert found.rows[0]["answers"] == {"text": ["Tana"], "answer_start": [0]}


def test_a_question_without_an_answer_is_no_fault(tmp_path: Path) -> None:
    rows = [question("Tana ni mto.", "")]
    rows.append(question("Tana ni mto.", "mto", name="b"))
    assert read(tmp_path, rows, "squad").faults == {}


# ---- labels -----------------------------------------------------------------------------------
@pytest.mark.parametrize("labels", [[2, 0], ["2", "0"], ["contradiction", "entailment"]])
def test_numbers_numerals_and_names_become_class_numbers(
    labels: list[object], tmp_path: Path
) -> None:
    rows = read(tmp_path, [pair(label) for label in labels], "own:sentence-pair", NLI).rows
    assert rows["label"][:] == [2, 0]


def test_a_set_s_own_order_of_classes_gives_way_to_the_task_s(tmp_path: Path) -> None:
    features = datasets.Features(
        sentence1=datasets.Value("string"),
        sentence2=datasets.Value("string"),
        label=datasets.ClassLabel(names=["contradiction", "entailment", "neutral"]),
    )
    rows = datasets.Dataset.from_list([pair(0), pair(1), pair(2)], features=features)
    (tmp_path / "set").mkdir()
    rows.to_parquet(tmp_path / "set" / "train-00000-of-00001.parquet")
    ref = DatasetRef("our/set", "set", "train", "own:sentence-pair")
    assert read_table(tmp_path, ref, NLI).rows["label"][:] == [2, 0, 1]


@pytest.mark.parametrize(
    "labels", [[1, -1, None, 0], ["neutral", "-", "", "entailment"], ["1", "-1", None, "0"]]
)
def test_unlabelled_rows_are_left_out_and_counted(labels: list[object], tmp_path: Path) -> None:
    found = read(tmp_path, [pair(label) for label in labels], "own:sentence-pair", NLI)
    assert found.rows["label"][:] == [1, 0]
    assert found.faults == {repairs.UNLABELLED: 2}


def test_choices_without_an_answer_key_are_left_out(tmp_path: Path) -> None:
    row = {"id": "a", "question": "?", "choices": {"label": ["A", "B"], "text": ["x", "y"]}}
    rows = [{**row, "answerKey": ""}, {**row, "id": "b", "answerKey": "A"}]
    found = read(tmp_path, rows, "commonsenseqa")
    assert (found.rows["id"][:], found.faults) == (["b"], {repairs.UNLABELLED: 1})


# ---- tags -------------------------------------------------------------------------------------
def test_tokens_without_text_or_tag_are_taken_out(tmp_path: Path) -> None:
    rows = [
        tagged(["Ann", " ", "sleeps"], ["B", "O", "O"]),
        tagged(["Bo", "eats"], ["B", ""]),
        tagged(["It", "rains"], ["O", "O"]),
    ]
    found = read(tmp_path, rows, "own:tagging")
    assert found.rows["tokens"][:] == [["Ann", "sleeps"], ["Bo"], ["It", "rains"]]
    assert found.rows["tags"][:] == [["B", "O"], ["B"], ["O", "O"]]
    assert found.faults == {repairs.EMPTY_TOKEN: 2}


def test_tokens_are_mended_alike_however_the_rows_are_batched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [tagged(["Ann", " "], ["B", "O"]), tagged([], []), tagged([""], ["O"])] * 3
    monkeypatch.setattr(repairs, "_BATCH_ROWS", 2)
    found = read(tmp_path, rows, "own:tagging")
    assert found.rows.to_list() == [tagged(["Ann"], ["B"])] * 3
    assert found.faults == {repairs.EMPTY_TOKEN: 3, repairs.NO_TOKENS: 6}


def test_sentences_without_tokens_are_left_out(tmp_path: Path) -> None:
    rows = [tagged(["Ann"], ["B"]), tagged([], []), tagged([""], ["O"])]
    found = read(tmp_path, rows, "own:tagging")
    assert (found.rows["tokens"][:], found.faults) == ([["Ann"]], {repairs.NO_TOKENS: 2})


def test_sentences_without_tags_are_left_out_as_unlabelled(tmp_path: Path) -> None:
    rows = [tagged(["Ann"], [1]), tagged(["Bo"], []), tagged(["Cy"], [0])]
    found = read(tmp_path, [{"tokens": r["tokens"], "ner_tags": r["tags"]} for r in rows], "panx")
    assert found.rows["tags"][:] == [["B-PER"], ["O"]]
    assert found.faults == {repairs.UNLABELLED: 1}


# ---- sentences --------------------------------------------------------------------------------
def test_a_sentence_s_line_break_is_cut(tmp_path: Path) -> None:
    rows = [
        {"source_sentence": "Guten Tag.\n", "target_sentence": "Good day.\n"},
        {"source_sentence": "Ja.", "target_sentence": "Yes.\r\n"},
        {"source_sentence": "Nein.", "target_sentence": "No."},
    ]
    found = read(tmp_path, rows, "sentences")
    assert found.rows["source_sentence"][:] == ["Guten Tag.", "Ja.", "Nein."]
    assert found.rows["target_sentence"][:] == ["Good day.", "Yes.", "No."]
    assert found.faults == {repairs.LINE_BREAK: 2}


def test_pairs_without_pools_say_that_nothing_can_be_mined(tmp_path: Path) -> None:
    row = {"source_sentence": "Ja.", "target_sentence": "Yes."}
    assert read(tmp_path, [row] * 3, "bucc-pairs").faults == {repairs.NO_POOLS: 3}


# ---- treebanks --------------------------------------------------------------------------------
def test_ancient_greek_is_left_out_by_its_letters(tmp_path: Path) -> None:
    rows = treebank("Ο καιρός είναι καλός .", "μῆνιν ἄειδε θεά", "ἐν ἀρχῇ ἦν ὁ λόγος")  # noqa: RUF001
    found = read(tmp_path, rows, "udpos", config="udpos.Greek")
    assert [row["tokens"][0] for row in found.rows] == ["Ο"]  # noqa: RUF001
    assert found.faults == {"Ancient Greek, left out": 2}


def test_old_russian_is_left_out_by_its_letters(tmp_path: Path) -> None:
    rows = treebank("Погода была хорошая .", "повѣсть времѧньныхъ лѣтъ")
    found = read(tmp_path, rows, "udpos", config="udpos.Russian")
    assert [row["tokens"][0] for row in found.rows] == ["Погода"]
    assert found.faults == {"Old Russian, left out": 1}


def test_what_a_mixed_table_s_rows_do_not_tell_is_said(tmp_path: Path) -> None:
    hub, clean = repairs.MIXTURES["udpos.Greek"].rows["validation"]
    told = ["μῆνιν ἄειδε θεά"] * 2000
    rows = treebank(*told, *["καλός"] * (hub - len(told)))
    found = read(tmp_path, rows, "udpos", config="udpos.Greek", split="validation")
    rest = hub - len(told) - clean
    assert len(found.rows) == clean + rest
    assert found.faults == {
        "Ancient Greek, left out": 2000,
        "not XTREME's (Ancient Greek and the like), and the rows do not tell which: own files of "
        "the clean treebank can stand for the set": rest,
    }


def test_a_mixed_table_s_sentences_without_words_are_counted_once(tmp_path: Path) -> None:
    mixture = repairs.MIXTURES["udpos.French"]
    hub, clean = mixture.rows["validation"]
    rows = [*treebank(*["Il dort ."] * (hub - 1000)), *[{"tokens": [], "pos_tags": []}] * 1000]
    found = read(tmp_path, rows, "udpos", config="udpos.French", split="validation")
    rest = {repairs.unseparated(mixture): hub - 1000 - clean}
    assert found.faults == rest | {repairs.NO_TOKENS: 1000}


def test_a_table_of_another_size_is_not_called_mixed(tmp_path: Path) -> None:
    rows = treebank(*["天气 好"] * 20)
    assert read(tmp_path, rows, "udpos", config="udpos.Chinese").faults == {}


# ---- the real records -------------------------------------------------------------------------
def real(ref: DatasetRef, labels: tuple[str, ...] = ()) -> TableRows:
    return read_table(real_records() / ref.repo, ref, labels)


def test_a_clean_treebank_s_rows_all_stay() -> None:
    for config, split, rows in (
        ("udpos.Greek", "validation", 403),
        ("udpos.Greek", "train", 1000),
        ("udpos.Russian", "validation", 1000),
        ("udpos.French", "validation", 1000),
        ("udpos.Chinese", "validation", 1000),
    ):
        found = real(DatasetRef("google/xtreme", config, split, "udpos"))
        assert (len(found.rows), found.faults) == (rows, {}), config


def test_tydiqa_s_wrong_starts_are_all_mended() -> None:
    found = real(TASKS["tydiqa"].tables[0])
    assert (len(found.rows), found.faults) == (3696, {repairs.MOVED: 48})
    for row in found.rows:
        texts, starts = row["answers"]["text"], row["answers"]["answer_start"]
        for text, start in zip(texts, starts, strict=True):
            assert row["context"].startswith(text, start)


def test_tydiqa_s_languages_add_up_to_the_whole_validation_split() -> None:
    entry = EVALUATION_SETS["tydiqa"]
    found = [real(entry.table(language)) for language in entry.languages]
    assert sum(len(table.rows) for table in found) == 5077
    assert sum(table.faults[repairs.MOVED] for table in found) == 1283


def test_the_pool_s_gold_pairs_are_bucc_s() -> None:
    pools = DatasetRef("xtl/bucc2018-zh-en-dev-pool", "gold", "validation", "bucc-pools")
    rows = real(pools).rows.to_list()
    texts = {row["id"]: row["text"] for row in rows}
    gold = {(row["text"], texts[row["match"]]) for row in rows if row["match"]}
    pairs = DatasetRef("google/xtreme", "bucc18.zh", "validation", "bucc-pairs")
    found = real(pairs).rows.to_list()
    assert {(row["source_sentence"], row["target_sentence"]) for row in found} == gold
