"""docs/own-data.md: its files are read as its manifests say, and its errors are what is said."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tests.tasks.snapshots import read
from xtl.data.own.records import Format, files_of, format_of
from xtl.errors import UserError
from xtl.sweep.places import DataPlace
from xtl.tasks.catalogue import EVALUATION_SETS, TASKS
from xtl.tasks.own_columns import ANSWER_COLUMNS
from xtl.tasks.own_rows import own_rows
from xtl.tasks.schema import COLUMNS

TEXT = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
BLOCKS = r"`(my/[^`]+)`[^`]*(?:`[^`\n]+`[^`]*)*\n\n```\w+\n(.*?)^```"
FILES: dict[str, str] = dict(re.findall(BLOCKS, TEXT, re.MULTILINE | re.DOTALL))
ERRORS = re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0].splitlines()


def places() -> dict[str, DataPlace]:
    found: dict[str, DataPlace] = {}
    for block in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for by_name in yaml.safe_load(block).values():
            found |= {name: DataPlace(**place) for name, place in by_name.items()}
    return found


PLACES = places()


def family_of(name: str) -> tuple[str, Sequence[str]]:
    """The catalogue's family and classes; what it does not have is text."""
    entry = TASKS.get(name) or EVALUATION_SETS.get(name)
    return (entry.family, entry.labels) if entry else ("masked-lm", ())


def path_of(place: DataPlace) -> str:
    """The file of the language that the document shows; of BUCC's, what their names begin with."""
    pattern = re.escape(place.path or "").replace(r"\{language\}", "[a-z]{2}")
    names = [name.partition(".")[0] if place.format == "bucc" else name for name in FILES]
    return next(name for name in names if re.fullmatch(pattern, name))


def rows_of(name: str, path: str) -> list[dict[str, Any]]:
    family, labels = family_of(name)
    place = PLACES[name]
    rows = own_rows(Path(path), family, format=place.format, columns=place.columns, labels=labels)
    return [dict(row) for row in rows]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the document's files."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
    return tmp_path


OUSE = "The Ouse rises near York."
NONE: dict[str, Any] = {"text": [], "answer_start": []}

EXPECTED: dict[str, Any] = {
    "squad-v1.1": {"id": "2", "context": OUSE, "question": "What rises there?",
                   "answers": {"text": ["The Ouse", "Ouse"], "answer_start": [0, 4]}},
    "squad-v2": {"id": "e084f2cad7419f1b", "context": OUSE, "question": "How long is it?",
                 "answers": NONE},
    "xquad": {"id": "2", "context": OUSE, "question": "How long is it?", "answers": NONE},
    "mnli": {"sentence1": "It rains.", "sentence2": "Nothing falls.", "label": 2},
    "qqp": {"sentence1": "Is it raining?", "sentence2": "Is it cold?", "label": 0},
    "hellaswag": {"prompt": "It began to rain and", "label": 1,
                  "choices": ["the sun", "we went in.", "in we."]},
    "cosmosqa": {"prompt": "It rains. Why is the street wet?", "label": 0,
                 "choices": ["It rains.", "It is a river.", "It is cold.", "None of these."]},
    "ccg": {"tokens": ["It", "rains", "."], "tags": ["NP", "S[dcl]\\NP", "."],
            "id": "own_0001.1"},
    "panx": {"tokens": ["Mary", "Ann", "saw", "York"], "tags": ["B-PER", "I-PER", "O", "B-LOC"]},
    "udpos": {"tokens": ["It", "'s", "raining", "."], "tags": ["PRON", "AUX", "VERB", "PUNCT"]},
    "tatoeba": {"source_sentence": "Mto ni mrefu.", "target_sentence": "The river is long."},
    "bucc2018": {"id": "dev:en-000000002", "text": "The street is wet.", "side": "english",
                 "split": "dev", "match": ""},
    "wikipedia": {"text": "Mto Tana ni mrefu."},
    "news": {"text": "It rains.\nThe street is wet."},
}  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", PLACES)
def test_the_file_that_is_shown_is_read_as_the_manifest_says(name: str) -> None:
    assert rows_of(name, path_of(PLACES[name]))[-1] == EXPECTED[name]


@pytest.mark.usefixtures("here")
def test_every_file_that_is_shown_is_in_a_manifest() -> None:
    paths = {path_of(place): place.format for place in PLACES.values()}
    taken = [str(file) for path, format in paths.items() for file in files_of(Path(path), format)]
    assert sorted(taken) == sorted(FILES)


BROKEN: list[tuple[str, str, Any]] = [
    ("squad-v1.1", "my/squad.jsonl", None),
    ("squad-v1.1", "my/squad.jsonl", lambda text: text.replace('"2", "passage"', '"2", "p"')),
    ("news", "my/squad.jsonl", lambda text: text),
    ("squad-v1.1", "my/squad.jsonl", lambda text: text[: text.index("\n") + 20]),
    ("squad-v2", "my/squad.csv", lambda text: text[:-2]),
    ("mnli", "my/nli.tsv", lambda text: text.replace("neutral", "maybe")),
    ("xquad", "my/xquad.en.json", lambda text: text.replace('"York"', '"Leeds"')),
    ("udpos", "my/en.conllu", lambda text: text.replace("PUNCT", "NOON")),
    ("ccg", "my/ccg.auto", lambda text: "It\tNP\n"),
    ("ccg", "my/ccg.auto", lambda text: text[: text.index(" ) (<L .")]),
    ("wikipedia", "my/wiki/sw.txt", lambda text: "Hapé\n".encode("latin-1") + text.encode()),
    ("news", "my/news.jsonl.gz", lambda text: gzip.compress(b'{"body": "x"}\n')[:-9]),
]  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_an_error_that_is_shown_is_what_is_said(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, path, broken = BROKEN[number]
    content = broken(FILES.get(path, "")) if broken else None
    Path(path).unlink(missing_ok=True)
    if content is not None:
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
    if ": column text: found no such column" in ERRORS[number]:
        monkeypatch.setitem(PLACES, "news", DataPlace(path=path))
    with pytest.raises(UserError) as error:
        rows_of(name, path)
    assert str(error.value) == ERRORS[number]


def cells(heading: str) -> dict[str, list[str]]:
    """The table below a heading: the first cell's name to what stands in quotes in the others."""
    below = TEXT.partition(f"\n{heading}\n")[2]
    lines = re.findall(r"^\|.*\|$", below.partition("\n#")[0], re.MULTILINE)[2:]
    rows = [line.strip("|").split("|") for line in lines]
    return {row[0].strip(" `"): re.findall(r"`([^`]+)`", "|".join(row[1:])) for row in rows}


def test_every_format_is_listed_with_its_suffix() -> None:
    listed = cells("## Formats")
    assert set(listed) == set(get_args(Format)) - {"auto"}
    for name, found in listed.items():
        if name not in ("tsv-unquoted", "bucc"):
            assert format_of(Path(f"a{found[0]}")) == name
            assert DataPlace(path=f"a{found[0]}").is_file


def test_every_column_of_every_family_is_listed() -> None:
    listed = cells("## The column map")
    for family, columns in COLUMNS.items():
        more = ANSWER_COLUMNS if family == "span-qa" else ()
        assert set(listed[family]) == {*columns, *more} - {"id"}


def test_the_numbers_of_classes_are_the_catalogue_s() -> None:
    for names, classes in cells("### Pairs of sentences").items():
        for name in names.split("`, `"):
            assert list(family_of(name)[1]) == classes


def test_the_table_of_pools_that_is_shown_can_be_mined(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```tsv\n(id\ttext\tside.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "pools.tsv"
    path.write_text(shown, encoding="utf-8")
    rows = [dict(row) for row in own_rows(path, "mining")]
    found = read(tmp_path / "set", rows, "own:mining")
    assert found.rows.to_list() == rows
    assert found.faults == {}
