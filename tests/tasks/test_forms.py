"""Each layout of the hub's, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tasks.records import question
from tests.tasks.snapshots import read
from xtl.errors import UserError
from xtl.tasks.forms import FORMS, known_form
from xtl.tasks.schema import COLUMNS, problem

QA = question("Mto Tana ni mrefu.", "Tana", "Mto gani?", "sw-1")
PAIR = {"sentence1": "It rains.", "sentence2": "It is dry.", "label": 2}
TAGGED = {"tokens": ["Ann", "sleeps"], "tags": ["PROPN", "VERB"]}
CHOICES = {"prompt": "He sat", "choices": ["down.", "up."], "label": 0}
SENTENCES = {"source_sentence": "Guten Tag.", "target_sentence": "Good day."}

HUB_S: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "squad": ({**QA, "title": "Tana"}, QA),
    "tydiqa": ({**QA, "id": "swahili-7-1", "title": "Tana"}, {**QA, "id": "swahili-7-1"}),
    "nli": ({"premise": "It rains.", "hypothesis": "It is dry.", "label": 2, "uid": "x"}, PAIR),
    "xtreme-xnli": (
        {
            "language": "en",
            "sentence1": "It rains.",
            "sentence2": "It is dry.",
            "gold_label": "contradiction",
        },
        PAIR,
    ),
    "qqp": (
        {"question1": "It rains.", "question2": "It is dry.", "label": 1, "idx": 4},
        {**PAIR, "label": 1},
    ),
    "paws-x": ({**PAIR, "label": "1", "id": 3}, {**PAIR, "label": 1}),
    "hellaswag": (
        {
            "ind": 4,
            "ctx_a": "A man sat.",
            "ctx_b": "he",
            "ctx": "A man sat. he",
            "endings": ["stood.", "ran."],
            "label": "1",
        },
        {"prompt": "A man sat.", "choices": ["he stood.", "he ran."], "label": 1},
    ),
    "cosmosqa": (
        {
            "id": "c-1",
            "context": "It rained.",
            "question": "Why stay?",
            **{f"answer{number}": f"Reason {number}." for number in range(4)},
            "label": 3,
        },
        {
            "prompt": "It rained. Why stay?",
            "choices": ["Reason 0.", "Reason 1.", "Reason 2.", "Reason 3."],
            "label": 3,
            "id": "c-1",
        },
    ),
    "commonsenseqa": (
        {
            "id": "q-1",
            "question": "Where do fish live?",
            "question_concept": "fish",
            "choices": {"label": ["A", "B"], "text": ["sky", "sea"]},
            "answerKey": "B",
        },
        {"prompt": "Where do fish live?", "choices": ["sky", "sea"], "label": 1, "id": "q-1"},
    ),
    "udpos": ({"tokens": ["Ann", "sleeps"], "pos_tags": [11, 15]}, TAGGED),
    "panx": (
        {"tokens": ["Ann", "sleeps"], "ner_tags": [1, 0], "langs": ["en", "en"]},
        {"tokens": ["Ann", "sleeps"], "tags": ["B-PER", "O"]},
    ),
    "masakhaner": (
        {"id": "0", "tokens": ["Jana", "alilala"], "ner_tags": [7, 0]},
        {"tokens": ["Jana", "alilala"], "tags": ["B-DATE", "O"]},
    ),
    "sentences": ({**SENTENCES, "source_lang": "/tmp/x", "target_lang": "eng"}, SENTENCES),
    "bucc-pairs": ({**SENTENCES, "source_lang": "de-1", "target_lang": "en-1"}, SENTENCES),
    "bucc-pool": ({"id": "zh-1", "sentence": "你好。"}, {"text": "你好。", "id": "zh-1"}),
    "text": ({"id": "12", "url": "u", "title": "t", "text": "A page."}, {"text": "A page."}),
    "own:span-qa": (QA, QA),
    "own:sentence-pair": ({**PAIR, "id": "a"}, {**PAIR, "id": "a"}),
    "own:multiple-choice": (CHOICES, CHOICES),
    "own:tagging": (TAGGED, TAGGED),
    "own:retrieval": (SENTENCES, SENTENCES),
    "own:masked-lm": ({"text": "A page."}, {"text": "A page."}),
}


def test_every_form_is_tried_here() -> None:
    whole = {name for name, form in FORMS.items() if form.family == "mining"}  # test_mining_rows
    assert HUB_S.keys() | whole == set(FORMS)
    assert not HUB_S.keys() & whole


@pytest.mark.parametrize("form", HUB_S)
def test_a_row_of_the_hub_s_becomes_its_family_s(form: str, tmp_path: Path) -> None:
    given, expected = HUB_S[form]
    found = read(tmp_path, [given], form).rows
    assert found.to_list() == [expected]
    columns = list(COLUMNS[FORMS[form].family])
    assert found.column_names == columns + (["id"] if set(expected) > set(columns) else [])
    assert problem(found[0], FORMS[form].family, FORMS[form].labels) is None


def test_what_a_context_begins_stands_before_each_of_hellaswag_s_endings(tmp_path: Path) -> None:
    row = {"ctx_a": "A man sat.", "ctx_b": "", "endings": ["He stood.", "He ran."], "label": "0"}
    assert read(tmp_path, [row], "hellaswag").rows[0]["choices"] == ["He stood.", "He ran."]


def test_a_part_is_one_language_of_a_table_with_several(tmp_path: Path) -> None:
    rows = [{**QA, "id": name} for name in ("swahili-1", "telugu-1", "swahili-2")]
    assert read(tmp_path, rows, "tydiqa", part="swahili").rows["id"][:] == [
        "swahili-1",
        "swahili-2",
    ]
    rows = [{**HUB_S["xtreme-xnli"][0], "language": code} for code in ("en", "sw")]
    assert len(read(tmp_path, rows, "xtreme-xnli", part="sw").rows) == 1


def test_a_part_that_is_not_there_is_a_user_error_that_names_those_there_are(
    tmp_path: Path,
) -> None:
    rows = [{**QA, "id": name} for name in ("swahili-1", "telugu-1")]
    with pytest.raises(UserError, match="found no rows of bengali, expected one of swahili, tel"):
        read(tmp_path, rows, "tydiqa", part="bengali")


@pytest.mark.parametrize("count", [3, 5000])
def test_parts_that_are_no_languages_are_one_line_of_some_of_them(
    tmp_path: Path, count: int
) -> None:
    rows = [{**QA, "id": f"{k:04}\nx"} for k in range(count)]
    with pytest.raises(UserError) as error:
        read(tmp_path, rows, "tydiqa", part="bengali")
    said = str(error.value)
    assert "\n" not in said
    assert "found no rows of bengali, expected one of 0000 x, 0001 x, 0002 x" in said
    assert len(said) < 300
    assert said.endswith("(5,000 in all)") == (count == 5000)


@pytest.mark.parametrize("ids", [[7], [["swahili-1"]], [None]])
def test_a_part_cannot_be_taken_by_a_column_without_text(tmp_path: Path, ids: list[object]) -> None:
    rows = [{**QA, "id": value} for value in ids]
    with pytest.raises(UserError, match="set/train: row 1: id: found nothing, expected text that"):
        read(tmp_path, rows, "tydiqa", part="swahili")
    rows = [{name: value for name, value in QA.items() if name != "id"}]
    with pytest.raises(UserError, match="set/train: row 1: id: found nothing, expected text that"):
        read(tmp_path, rows, "tydiqa", part="swahili")


@pytest.mark.parametrize(
    ("repo", "config", "form"),
    [
        ("google/xtreme", "MLQA.de.hi", "squad"),
        ("google/xtreme", "tydiqa", "tydiqa"),
        ("google/xtreme", "PAN-X.sw", "panx"),
        ("nyu-mll/glue", "qqp", "qqp"),
        ("nyu-mll/glue", "mnli_matched", "nli"),
        ("xtl/cldr-lookup", "pairs.sw", "sentences"),
        ("xtl/cldr-lookup", "sw", "squad"),
        ("xtl/bucc2018-zh-en-dev-pool", "gold", "bucc-pools"),
        ("xtl/bucc2018-zh-en-dev-pool", "zh", "bucc-pool"),
        ("google/xtreme", "bucc18.zh", "bucc-pairs"),
        ("wikimedia/wikipedia", "20231101.sw", "text"),
    ],
)
def test_a_known_set_s_form_is_named(repo: str, config: str, form: str) -> None:
    assert known_form(repo, config) == form


@pytest.mark.parametrize(("repo", "config"), [("some/set", "x"), ("nyu-mll/glue", "cola")])
def test_a_set_that_is_not_known_has_no_form(repo: str, config: str) -> None:
    assert known_form(repo, config) is None


def test_an_unknown_form_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="form 'x' is unknown; expected one of squad, tydiqa"):
        read(tmp_path, [QA], "x")
