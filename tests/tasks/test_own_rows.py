"""A user's file, through its column map, as rows of a family."""

from __future__ import annotations

import csv
import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.data.subsets import ranking, row_digests
from xtl.errors import UserError
from xtl.tasks.own_rows import OwnRows, own_rows
from xtl.tasks.schema import problem

NLI = ("entailment", "neutral", "contradiction")
CONTEXT = "The Ouse rises near York. The Ouse is long."
Rows = list[dict[str, Any]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rows]:
    """Writes `my/<name>` and reads its rows; records are written as JSONL."""
    monkeypatch.chdir(tmp_path)
    Path("my").mkdir()

    def read(name: str, content: str | Sequence[Any], family: str, **how: Any) -> Rows:
        path = Path("my") / name
        lines = content if isinstance(content, str) else _jsonl(content)
        path.write_text(lines, encoding="utf-8")
        return [dict(row) for row in own_rows(path, family, **how)]

    return read


def _jsonl(records: Sequence[Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def asked(**changes: Any) -> dict[str, Any]:
    answers = {"text": ["York"], "answer_start": [20]}
    row = {"id": "a", "context": CONTEXT, "question": "Where?", "answers": answers}
    return {key: value for key, value in (row | changes).items() if value is not None}


def pair(label: Any) -> dict[str, Any]:
    return {"sentence1": "It rains.", "sentence2": "It is wet.", "label": label}


def test_a_column_that_is_not_mapped_has_its_own_name(read: Callable[..., Rows]) -> None:
    records = [{"q": "Where?", "passage": CONTEXT, "id": "a", "answers": asked()["answers"]}]
    columns = {"question": "q", "context": "passage"}
    assert read("a.jsonl", records, "span-qa", columns=columns) == [asked()]


def test_other_columns_of_the_file_are_left_out(read: Callable[..., Rows]) -> None:
    assert read("a.jsonl", [asked(title="Ouse", n=1)], "span-qa") == [asked()]


def test_an_id_is_made_of_the_row_where_there_is_none(read: Callable[..., Rows]) -> None:
    records = [asked(id=None), asked(id=None, question="When?"), asked(id=None)]
    ids = [row["id"] for row in read("a.jsonl", records, "span-qa")]
    assert ids[0] == ids[2] != ids[1]
    assert [row["id"] for row in read("a.jsonl", records[::-1], "span-qa")] == ids[::-1]


def test_an_id_that_is_made_is_the_same_whatever_the_file_s_format(
    read: Callable[..., Rows],
) -> None:
    text = f"context,question,answer_text\n{CONTEXT},Where?,York\n"
    assert read("a.csv", text, "span-qa") == read("a.jsonl", [asked(id=None)], "span-qa")


def test_a_number_is_an_id(read: Callable[..., Rows]) -> None:
    assert read("a.jsonl", [asked(id=7)], "span-qa")[0]["id"] == "7"


def test_an_id_of_a_family_without_one_is_kept(read: Callable[..., Rows]) -> None:
    rows = read("a.jsonl", [pair(0) | {"key": 3}], "sentence-pair", columns={"id": "key"})
    assert rows == [pair(0) | {"id": "3"}]


@pytest.mark.parametrize("answers", [[], {"text": [], "answer_start": []}])
def test_a_question_may_have_no_answer(read: Callable[..., Rows], answers: Any) -> None:
    rows = read("a.jsonl", [asked(answers=answers)], "span-qa")
    assert rows[0]["answers"] == {"text": [], "answer_start": []}


@pytest.mark.parametrize(
    "answers",
    [
        [{"text": "York", "answer_start": 20}],
        [{"text": "York"}],
        {"text": ["York"]},
        {"text": ["York"], "answer_start": [None]},
        {"text": ["York"], "answer_start": [20], "note": ["x"]},
    ],
)
def test_answers_in_any_of_squad_s_shapes_are_one_struct(
    read: Callable[..., Rows], answers: Any
) -> None:
    assert read("a.jsonl", [asked(answers=answers)], "span-qa") == [asked()]


def test_answers_may_be_in_two_columns(read: Callable[..., Rows]) -> None:
    text = "context,question,gold,at\n"
    text += f"{CONTEXT},Where?,The Ouse,26\n{CONTEXT},Where?,The Ouse,\n{CONTEXT},When?,,\n"
    columns = {"answer_text": "gold", "answer_start": "at"}
    rows = read("a.csv", text, "span-qa", columns=columns)
    assert [row["answers"] for row in rows] == [
        {"text": ["The Ouse"], "answer_start": [26]},
        {"text": ["The Ouse"], "answer_start": [0]},
        {"text": [], "answer_start": []},
    ]


def test_the_start_of_an_answer_may_be_absent(read: Callable[..., Rows]) -> None:
    record = asked(answers=None, answer_text="York")
    assert read("a.jsonl", [record], "span-qa") == [asked()]


@pytest.mark.parametrize("step", [1, -1])
def test_starts_are_read_whether_or_not_the_first_question_has_an_answer(
    read: Callable[..., Rows], step: int
) -> None:
    lines = [f"{CONTEXT},What?,The Ouse,26\n", f"{CONTEXT},When?,,\n"][::step]
    text = "context,question,answer_text,answer_start\n" + "".join(lines)
    rows = read("a.csv", text, "span-qa")
    assert sorted(row["answers"]["answer_start"] for row in rows) == [[], [26]]


def test_a_wrong_start_is_moved_to_the_nearest_place_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    answers = {"text": ["The Ouse", "York"], "answer_start": [30, 20]}
    path.write_text(_jsonl([asked(answers=answers)]))
    rows = OwnRows(path, "span-qa", "auto", {}, ())
    assert next(iter(rows))["answers"] == {"text": ["The Ouse", "York"], "answer_start": [26, 20]}
    assert rows.moved == 1


@pytest.mark.parametrize("label", [2, "2", " 2 ", "contradiction", "Contradiction"])
def test_a_label_is_a_number_or_a_name(read: Callable[..., Rows], label: Any) -> None:
    assert read("a.jsonl", [pair(label)], "sentence-pair", labels=NLI) == [pair(2)]


def test_numbers_serve_where_the_names_are_not_known(read: Callable[..., Rows]) -> None:
    assert read("a.jsonl", [pair("7")], "sentence-pair") == [pair(7)]


def test_a_name_wins_over_a_number(read: Callable[..., Rows]) -> None:
    assert read("a.jsonl", [pair("1")], "sentence-pair", labels=("1", "0")) == [pair(0)]


def test_a_tsv_without_a_header_is_mapped_by_numbers(read: Callable[..., Rows]) -> None:
    columns = {"label": 0, "sentence1": 2, "sentence2": 3}
    text = "neutral\tx\tIt rains.\tIt is wet.\n"
    rows = read("a.tsv", text, "sentence-pair", columns=columns, labels=NLI)
    assert rows == [pair(1)]


@pytest.mark.parametrize(
    ("record", "columns"),
    [
        ({"choices": ["a", "b"]}, {}),
        ({"ending0": "a", "ending1": "b"}, {"choices": ("ending0", "ending1")}),
    ],
)
def test_choices_are_a_list_or_several_columns(
    read: Callable[..., Rows], record: dict[str, Any], columns: Any
) -> None:
    rows = read("a.jsonl", [{"prompt": "?", "label": "1", **record}], "multiple-choice",
                columns=columns)  # fmt: skip
    assert rows == [{"prompt": "?", "choices": ["a", "b"], "label": 1}]


@pytest.mark.parametrize("one", [1, "1"])
def test_conll_columns_are_numbers(read: Callable[..., Rows], one: Any) -> None:
    columns = {"tokens": 0, "tags": one}
    rows = read("a.tsv", "A\tDET\nday\tNOUN\n", "tagging", format="conll", columns=columns)
    assert rows == [{"tokens": ["A", "day"], "tags": ["DET", "NOUN"]}]


def test_conllu_s_word_numbers_are_no_ids(read: Callable[..., Rows]) -> None:
    text = "1\tA\ta\tDET" + "\t_" * 6 + "\n"
    columns = {"tokens": "form", "tags": "upos"}
    rows = read("a.conllu", text, "tagging", columns=columns)
    assert rows == [{"tokens": ["A"], "tags": ["DET"]}]


def test_a_line_of_text_is_a_row(read: Callable[..., Rows]) -> None:
    assert read("a.txt", "one\n\ntwo\n", "masked-lm") == [{"text": "one"}, {"text": "two"}]


FAULTS: list[tuple[str, str, Any, str, dict[str, Any], str]] = [
    ("a missing value", "a.jsonl", [{"p": CONTEXT, **asked()}, asked()], "span-qa",
     {"columns": {"context": "p"}}, "line 2: column p: found nothing, expected text"),
    ("a null", "a.jsonl", [asked(), asked() | {"question": None}], "span-qa", {},
     "line 2: column question: found nothing, expected text"),
    ("an empty field", "a.csv", "text\nx\n\"\"\n", "masked-lm", {},
     "line 3: column text: found nothing, expected text"),
    ("a number for a text", "a.jsonl", [asked(context=5)], "span-qa", {},
     "line 1: column context: found 5, expected text"),
    ("a column that the file lacks", "a.csv", "id,q,context\n1,2,3\n", "span-qa",
     {"columns": {"question": "asked"}},
     "line 2: column asked: found no such column, expected one of id, q, context"),
    ("a column that is not mapped and lacking", "a.csv", "a,b\n1,2\n", "masked-lm", {},
     "line 2: column text: found no such column, expected one of a, b"),
    ("a number beyond the columns", "a.conll", "A DET\n", "tagging",
     {"columns": {"tokens": 0, "tags": 2}},
     "line 1: column 2: found no such column, expected one of 0, 1"),
    ("two columns from one", "a.jsonl", [asked()], "span-qa",
     {"columns": {"question": "context"}},
     "columns: found context for context and question, expected it for one"),
    ("a choice twice", "a.jsonl", [{"prompt": "?", "a": "x", "label": 0}], "multiple-choice",
     {"columns": {"choices": ["a", "a"]}},
     "columns: found a for choices, twice, expected it for one"),
    ("a column that the family has not", "a.jsonl", [asked()], "span-qa",
     {"columns": {"contxt": "c"}},
     "columns: found contxt, expected id, context, question, answers, answer_text, answer_start"),
    ("several columns for a text", "a.jsonl", [asked()], "span-qa",
     {"columns": {"context": ["a", "b"]}}, "columns.context: found several columns, expected one"),
    ("names and numbers", "a.tsv", "a\tb\n", "sentence-pair",
     {"columns": {"sentence1": 0, "sentence2": "b"}},
     "columns: found names and numbers, expected the one or the other"),
    ("a row without a header that is short", "a.tsv", "0\ta\tb\n1\ta\n", "sentence-pair",
     {"columns": {"label": 0, "sentence1": 1, "sentence2": 2}},
     "line 2: found 2 fields, expected 3 as in the first row"),
    ("answers in two ways", "a.jsonl", [asked()], "span-qa",
     {"columns": {"answers": "a", "answer_text": "b"}},
     "columns: found answers and answer_text, expected one of them"),
    ("a start alone", "a.jsonl", [asked()], "span-qa", {"columns": {"answer_start": "b"}},
     "columns: found answer_start alone, expected answer_text with it"),
    ("an answer that is not there", "a.jsonl", [asked(), asked(answers={"text": ["Leeds"]})],
     "span-qa", {}, "line 2: column answers: found 'Leeds', expected words of the context"),
    ("an empty answer", "a.jsonl", [asked(answers={"text": [""], "answer_start": [0]})],
     "span-qa", {}, "line 1: column answers: found '', expected words of the context"),
    ("a column's answer that is not there", "a.jsonl", [asked(answers=None, gold="Leeds")],
     "span-qa", {"columns": {"answer_text": "gold"}},
     "line 1: column gold: found 'Leeds', expected words of the context"),
    ("a start that is no number", "a.jsonl", [asked(answers=None, answer_text="York", at="20.0")],
     "span-qa", {"columns": {"answer_text": "answer_text", "answer_start": "at"}},
     "line 1: column at: found '20.0', expected a whole number"),
    ("answers without starts for all", "a.jsonl",
     [asked(answers={"text": ["York"], "answer_start": []})], "span-qa", {},
     "line 1: column answers: found {'text': ['York'], 'answer_start': []}, "
     "expected lists `text` and `answer_start` of one length"),
    ("answers that are a text", "a.csv", "context,question,answers\na,b,c\n", "span-qa", {},
     "line 2: column answers: found 'c', expected lists `text` and `answer_start` of one length"),
    ("an answer column that ends", "a.jsonl", [asked(answers=None, answer_text="York"),
     asked(answers=None)], "span-qa", {},
     "line 2: column answer_text: found nothing, expected text (empty: no answer)"),
    ("an id that ends", "a.jsonl", [pair(0) | {"id": "a"}, pair(0)], "sentence-pair", {},
     "line 2: column id: found nothing, expected text, as in the first record"),
    ("an id that begins", "a.jsonl", [pair(0), pair(0) | {"id": "a"}], "sentence-pair", {},
     "line 2: column id: found 'a', expected nothing, as in the first record"),
    ("a question's id that begins", "a.jsonl", [asked(id=None), asked()], "span-qa", {},
     "line 2: column id: found 'a', expected nothing, as in the first record"),
    ("an id that is a list", "a.jsonl", [pair(0) | {"id": "a"}, pair(0) | {"id": ["a"]}],
     "sentence-pair", {}, "line 2: column id: found ['a'], expected text"),
    ("a class that is none", "a.jsonl", [pair("maybe")], "sentence-pair", {"labels": NLI},
     "line 1: column label: found 'maybe', expected one of 0 (entailment), 1 (neutral), "
     "2 (contradiction)"),
    ("a number that is no class", "a.jsonl", [pair(3)], "sentence-pair", {"labels": NLI},
     "line 1: column label: found 3, expected one of 0 (entailment), 1 (neutral), "
     "2 (contradiction)"),
    ("no class", "a.jsonl", [pair(-1)], "sentence-pair", {"labels": NLI},
     "line 1: column label: found -1, expected a class number"),
    ("a name that cannot be known", "a.jsonl", [pair("yes")], "sentence-pair", {},
     "line 1: column label: found 'yes', expected a number (the names of the classes are not "
     "known)"),
    ("a class beyond counting", "a.jsonl", [pair(10**20)], "sentence-pair", {},
     "line 1: column label: found 100000000000000000000, expected a number (the names of the "
     "classes are not known)"),
    ("a true class", "a.jsonl", [pair(True)], "sentence-pair", {"labels": NLI},
     "line 1: column label: found True, expected a class number"),
    ("a choice that is none", "a.jsonl", [{"prompt": "?", "choices": ["a"], "label": 1}],
     "multiple-choice", {}, "line 1: column label: found 1, expected 0, the number of a choice"),
    ("a choice of several that is none", "a.jsonl",
     [{"prompt": "?", "choices": ["a", "b", "c"], "label": 3}], "multiple-choice", {},
     "line 1: column label: found 3, expected 0 to 2, the number of a choice"),
    ("a choice by a name", "a.jsonl", [{"prompt": "?", "choices": ["a"], "label": "x"}],
     "multiple-choice", {}, "line 1: column label: found 'x', expected the number of a choice, "
     "from 0"),
    ("no choices", "a.jsonl", [{"prompt": "?", "choices": [], "label": 0}], "multiple-choice", {},
     "line 1: column choices: found none, expected one or more"),
    ("a choice that is missing", "a.csv", "prompt,e0,e1,label\n?,a,,0\n", "multiple-choice",
     {"columns": {"choices": ["e0", "e1"]}}, "line 2: column e1: found nothing, expected text"),
    ("choices that are one text", "a.csv", "prompt,choices,label\n?,a,0\n", "multiple-choice", {},
     "line 2: column choices: found 'a', expected a list of texts"),
    ("a tag that is none", "a.conll", "A DET\nday NOON\n", "tagging",
     {"columns": {"tokens": 0, "tags": 1}, "labels": ("DET", "NOUN")},
     "lines 1-2: column 1: found 'NOON', expected DET, NOUN"),
    ("an empty token", "a.conll", "A\tDET\n\tNOUN\n", "tagging",
     {"columns": {"tokens": 0, "tags": 1}},
     "lines 1-2: column 0: found an empty token, expected text"),
    ("no tokens", "a.jsonl", [{"tokens": [], "tags": []}], "tagging", {},
     "line 1: column tokens: found no token, expected one or more"),
    ("too few tags", "a.jsonl", [{"tokens": ["a", "b"], "tags": ["X"]}], "tagging", {},
     "line 1: column tags: found 1, expected one a token, 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "family", "how", "message"),
    [row[1:] for row in FAULTS],
    ids=[row[0] for row in FAULTS],
)
def test_a_fault_names_file_place_and_column(
    read: Callable[..., Rows], name: str, content: Any, family: str, how: Any, message: str
) -> None:
    with pytest.raises(UserError) as error:
        read(name, content, family, **how)
    assert str(error.value) == f"my/{name}: {message}"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1)
TOKEN = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\t\n\r ", exclude_categories=["Zs", "Cc"]),
    min_size=1,
).filter(lambda token: not token.startswith(("#", "-DOCSTART-", "\ufeff")))


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    context = draw(TEXT.filter(lambda text: not text.isspace()))
    start = next(place for place, letter in enumerate(context) if not letter.isspace())
    end = draw(st.integers(start + 1, len(context)))
    answers = {"text": [context[start:end]], "answer_start": [start]}
    none: dict[str, Any] = {"text": [], "answer_start": []}
    row = {"id": draw(TEXT), "context": context, "question": draw(TEXT)}
    return row | {"answers": draw(st.sampled_from([answers, none]))}


@st.composite
def sentences(draw: st.DrawFn) -> dict[str, Any]:
    words = draw(st.lists(st.tuples(TOKEN, TOKEN), min_size=1))
    return {"tokens": [token for token, _ in words], "tags": [tag for _, tag in words]}


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    texts = draw(st.lists(TEXT, min_size=2, max_size=2))
    return {"prompt": draw(TEXT), "choices": texts, "label": draw(st.integers(0, 1))}


CANONICAL: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "span-qa": questions(),
    "sentence-pair": st.fixed_dictionaries(
        {"sentence1": TEXT, "sentence2": TEXT, "label": st.integers(0, 2)}
    ),
    "multiple-choice": choices(),
    "tagging": sentences(),
    "retrieval": st.fixed_dictionaries({"source_sentence": TEXT, "target_sentence": TEXT}),
    "masked-lm": st.fixed_dictionaries({"text": TEXT}),
}


def rows_of(family: str) -> st.SearchStrategy[Rows]:
    return st.lists(CANONICAL[family], min_size=1, max_size=5)


def read_back(name: str, write: Callable[[Path], Any], family: str, **how: Any) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        rows = [dict(row) for row in own_rows(Path(folder) / name, family, **how)]
    assert [problem(row, family) for row in rows] == [None] * len(rows)
    return rows


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("family", CANONICAL)
def test_canonical_rows_come_back_from_formats_with_types(
    family: str, name: str, data: st.DataObject
) -> None:
    rows = data.draw(rows_of(family))
    writers: dict[str, Callable[[Path], Any]] = {
        "a.json": lambda path: path.write_text(json.dumps({"data": rows}), encoding="utf-8"),
        "a.jsonl": lambda path: path.write_bytes(_jsonl(rows).encode()),
        "a.parquet": lambda path: pq.write_table(pa.Table.from_pylist(rows), path),
    }
    assert read_back(name, writers[name], family) == rows


@settings(max_examples=25, deadline=None)
@given(data=st.data(), shuffle=st.randoms(use_true_random=False), seed=st.integers(0, 9))
@pytest.mark.parametrize("family", CANONICAL)
def test_a_shuffled_file_has_the_same_subsets(
    family: str, data: st.DataObject, shuffle: random.Random, seed: int
) -> None:
    rows = data.draw(st.lists(CANONICAL[family], min_size=2, max_size=12))
    bare = [{name: value for name, value in row.items() if name != "id"} for row in rows]
    count = data.draw(st.integers(1, len(rows)))
    shuffled = shuffle.sample(bare, len(bare))
    assert drawn_of(bare, family, seed, count) == drawn_of(shuffled, family, seed, count)


def drawn_of(records: Rows, family: str, seed: int, count: int) -> Rows:
    """The rows of a subset, of a file of these records."""
    rows = read_back("a.jsonl", lambda path: path.write_bytes(_jsonl(records).encode()), family)
    return [rows[place] for place in ranking(row_digests(rows), seed)[:count]]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row without lists: each choice a column, the one answer two."""
    answers, choices = row.get("answers"), row.get("choices")
    single = {key: value for key, value in row.items() if key not in ("answers", "choices")}
    if answers is not None:
        single["answer_text"] = "".join(answers["text"])
        single["answer_start"] = "".join(map(str, answers["answer_start"]))
    return single | {f"choice{n}": text for n, text in enumerate(choices or [])}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t")])
@pytest.mark.parametrize("family", [family for family in CANONICAL if family != "tagging"])
def test_canonical_rows_come_back_from_fields(
    family: str, name: str, delimiter: str, data: st.DataObject
) -> None:
    rows = data.draw(rows_of(family))

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(flat(rows[0])), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(map(flat, rows))

    several = {"choices": ("choice0", "choice1")} if family == "multiple-choice" else {}
    assert read_back(name, write, family, columns=several) == rows


def conll(row: dict[str, Any]) -> str:
    return "".join(f"{token}\t{tag}\n" for token, tag in zip(*row.values(), strict=True)) + "\n"


def conllu(row: dict[str, Any]) -> str:
    words = enumerate(zip(row["tokens"], row["tags"], strict=True), 1)
    lines = [f"{n}\t{token}\t_\t{tag}" + "\t_" * 6 for n, (token, tag) in words]
    return "\n".join([*lines, "", ""])


@settings(max_examples=30, deadline=None)
@given(rows=rows_of("tagging"))
def test_sentences_come_back_from_conll_and_conllu(rows: Rows) -> None:
    def written(as_text: Callable[[dict[str, Any]], str]) -> Callable[[Path], Any]:
        return lambda path: path.write_bytes("".join(map(as_text, rows)).encode())

    by_number, by_name = {"tokens": 0, "tags": 1}, {"tokens": "form", "tags": "upos"}
    assert read_back("a.conll", written(conll), "tagging", columns=by_number) == rows
    assert read_back("a.conllu", written(conllu), "tagging", columns=by_name) == rows


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(TOKEN, min_size=1))
def test_texts_come_back_from_lines(texts: list[str]) -> None:
    rows = read_back("a.txt", lambda path: path.write_bytes("\n".join(texts).encode()), "masked-lm")
    assert [row["text"] for row in rows] == texts
