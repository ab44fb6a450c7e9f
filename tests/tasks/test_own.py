"""A user's files as a snapshot of the mirror."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from xtl.data.loading import config_names, load_rows
from xtl.data.mirror import Mirror, content_hash
from xtl.data.own.records import Format
from xtl.data.sources import Source, put
from xtl.errors import UserError
from xtl.tasks.entries import DatasetRef
from xtl.tasks.forms import OWN_FORM
from xtl.tasks.own import SPLIT, own_source
from xtl.tasks.own_columns import UNMAPPED, Columns
from xtl.tasks.own_rows import own_rows
from xtl.tasks.tables import read_table

NLI = ("entailment", "neutral", "contradiction")
CONTEXT = "The Ouse rises near York."

RECORDS: dict[str, dict[str, Any]] = {
    "span-qa": {
        "id": "a",
        "context": CONTEXT,
        "question": "Where?",
        "answers": {"text": ["York"], "answer_start": [20]},
    },
    "sentence-pair": {"sentence1": "It rains.", "sentence2": "It is wet.", "label": 2},
    "multiple-choice": {"prompt": "It", "choices": ["rains.", "is."], "label": 1},
    "tagging": {"tokens": ["It", "rains"], "tags": ["PRON", "VERB"]},
    "retrieval": {"source_sentence": "Inanyesha.", "target_sentence": "It rains."},
    "masked-lm": {"text": "It rains."},
}


def source(
    files: dict[str, Path],
    family: str = "masked-lm",
    format: Format = "auto",
    columns: Columns = UNMAPPED,
    labels: Sequence[str] = (),
    said: list[str] | None = None,
) -> Source:
    report = said.append if said is not None else lambda _line: None
    return own_source("texts", files, format, columns, family, labels, report)


def jsonl(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize("family", RECORDS)
def test_a_snapshot_loads_as_a_hub_s_set_does(tmp_path: Path, family: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", RECORDS[family])
    staged = tmp_path / "staged"
    source({"default": path}, family).fill(staged)
    assert config_names(staged) == ["default"]
    assert load_rows(staged, "default", SPLIT).to_list() == [RECORDS[family]]


@pytest.mark.parametrize("family", RECORDS)
def test_the_reader_of_tables_finds_nothing_to_mend(tmp_path: Path, family: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", RECORDS[family])
    source({"default": path}, family).fill(tmp_path / "staged")
    ref = DatasetRef("own/texts", "default", SPLIT, f"{OWN_FORM}{family}")
    found = read_table(tmp_path / "staged", ref)
    assert found.rows.to_list() == [RECORDS[family]]
    assert found.faults == {}


def test_real_questions_are_read_from_files_of_their_own(hub: Path, tmp_path: Path) -> None:
    folders = (hub / "google-research-datasets" / "xquad").glob("xquad.*")
    files = {path.name[-2:]: next(path.glob("*.parquet")) for path in folders}
    assert len(files) == 12
    source(files, "span-qa").fill(tmp_path / "staged")
    assert [len(load_rows(tmp_path / "staged", code, SPLIT)) for code in files] == [1190] * 12


def test_each_language_is_a_config(tmp_path: Path) -> None:
    files = {code: jsonl(tmp_path / f"{code}.jsonl", {"text": code}) for code in ("sw", "no", "en")}
    source(files).fill(tmp_path / "staged")
    assert config_names(tmp_path / "staged") == ["en", "no", "sw"]
    for code in files:
        assert load_rows(tmp_path / "staged", code, SPLIT)["text"][:] == [code]


def test_an_id_is_a_column_where_the_file_has_one(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"id": 4, "text": "x"})
    source({"default": path}).fill(tmp_path / "staged")
    rows = load_rows(tmp_path / "staged", "default", SPLIT)
    assert rows.to_list() == [{"text": "x", "id": "4"}]


def test_equal_rows_are_equal_snapshots_whatever_they_were_read_from(tmp_path: Path) -> None:
    files = [tmp_path / "a.txt", jsonl(tmp_path / "b.jsonl", {"text": "x"}, {"text": "y"})]
    files[0].write_text("x\n\ny\n")
    for number, path in enumerate(files):
        source({"default": path}).fill(tmp_path / str(number))
    assert content_hash(tmp_path / "0") == content_hash(tmp_path / "1")


def test_a_mirror_takes_it_once_and_anew_when_the_file_changes(tmp_path: Path) -> None:
    mirror, said = Mirror(tmp_path / "mirror"), list[str]()
    path = tmp_path / "a.txt"

    def take() -> str:
        found = source({"default": path}, said=said)
        return put("own/texts", "dataset", found, mirror, said.append).revision

    path.write_text("x\n")
    first = take()
    assert take() == first
    assert said == [
        f"reading {path}",
        f"{path}: 1 rows",
        f"own/texts: in the mirror now, {first}",
        f"own/texts: in the mirror already, {first}",
    ]
    path.write_text("xy\n")
    assert take() != first
    assert mirror.has("own/texts", first)


def test_a_fault_publishes_nothing(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    path = jsonl(tmp_path / "a.jsonl", *[{"text": "x"}] * 5000, {"text": 5})
    with pytest.raises(UserError, match=r"a\.jsonl: line 5001: column text: found 5, expected"):
        put("own/texts", "dataset", source({"default": path}), mirror, print)
    assert not (mirror.root / "own").exists()
    assert list((mirror.root / ".staging").iterdir()) == []


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x\n")
    found = source({"default": path})
    path.write_text("x\ny\n")
    with pytest.raises(UserError, match=r"a\.txt: changed while it was read"):
        found.fill(tmp_path / "staged")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "jsonl"},
        {"columns": {"label": "gold"}},
        {"labels": NLI[:2]},
        {"family": "masked-lm"},
        {"files": "other"},
        {"touched": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_recipe_is_of_all_that_decides_the_rows(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = jsonl(tmp_path / "a.jsonl", RECORDS["sentence-pair"])
    usual: dict[str, Any] = {"files": {"default": path}, "family": "sentence-pair", "labels": NLI}
    before = source(**usual).recipe
    assert source(**usual).recipe == before
    json.dumps(before)
    if changes.pop("touched", False):
        os.utime(path, ns=(1, 1))
    if "files" in changes:
        changes["files"] = {"en": path}
    assert source(**{**usual, **changes}).recipe != before


def test_what_is_wrong_with_the_map_is_said_before_anything_is_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"text": "x"})
    with pytest.raises(UserError, match=r"a\.jsonl: columns: found txt, expected text, id$"):
        source({"default": path}, columns={"txt": "text"})


def test_a_missing_language_is_said_before_anything_is_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "en.jsonl", {"text": "x"})
    with pytest.raises(UserError, match=r"sw\.jsonl: found no such file, expected one to read$"):
        source({"en": path, "sw": tmp_path / "sw.jsonl"})


def test_moved_answers_are_counted(tmp_path: Path) -> None:
    wrong = RECORDS["span-qa"] | {"answers": {"text": ["York"], "answer_start": [0]}}
    path = jsonl(tmp_path / "a.jsonl", wrong, RECORDS["span-qa"])
    said: list[str] = []
    source({"default": path}, "span-qa", said=said).fill(tmp_path / "staged")
    assert said[-1] == f"{path}: 1 answers moved to their nearest place in the context"


def test_a_large_file_tells_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x\n" * 200_001)
    said: list[str] = []
    source({"default": path}, said=said).fill(tmp_path / "staged")
    assert said == [f"reading {path}", f"{path}: 200,000 rows so far", f"{path}: 200,001 rows"]


def large(path: Path, megabytes: int) -> None:
    record = json.dumps({"text": "It rains on the river. " * 40})
    opening, closing = ("[", "]") if path.suffix == ".json" else ("", "")
    between = ",\n" if opening else "\n"
    with path.open("w") as stream:
        stream.write(opening + record)
        for _ in range(megabytes * 2**20 // len(record)):
            stream.write(between + record)
        stream.write(closing)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    large(tmp_path / name, 24)
    tracemalloc.start()
    count = sum(1 for _ in own_rows(tmp_path / name, "masked-lm"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 20_000
    assert peak < 12 * 2**20
