"""What each format gives, record by record, each with its place."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.data.own import text
from xtl.data.own.records import Format, format_of, read_records
from xtl.errors import UserError

Records = list[tuple[str, Any]]
ROWS = [{"a": "one", "b": 1}, {"a": "zwei — два", "b": 2}]

ARTICLES = {
    "version": "1.1",
    "data": [
        {
            "title": "Ouse",
            "paragraphs": [
                {
                    "context": "It is 52 miles long.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "How long?",
                            "answers": [
                                {"text": "52 miles", "answer_start": 6},
                                {"text": "52", "answer_start": 6},
                            ],
                        },
                        {
                            "id": "q2",
                            "question": "How deep?",
                            "is_impossible": True,
                            "answers": [{"text": "52", "answer_start": 6}],
                        },
                    ],
                }
            ],
        }
    ],
}

CCGBANK = r"""ID=own_0001.1 PARSER=GOLD NUMPARSE=1
(<T S[dcl] 0 2> (<T S[dcl] 1 2> (<T NP 1 2> (<L NP[nb]/N DT DT The NP[nb]_5/N_5>) (<L N NN NN river N>) ) (<T S[dcl]\NP 0 2> (<L S[dcl]\NP VBZ VBZ flows S[dcl]\NP_9>) (<L (S\NP)\(S\NP) RB RB slowly (S_14\NP_9)_14\(S_14\NP_9)_14>) ) ) (<L . . . . .>) )

ID=own_0001.2 PARSER=GOLD NUMPARSE=1
(<L N NN NN Rain N>)
"""  # noqa: E501

CONLLU = """\
# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tidos\t_\tVERB\t_\t_\t_\t_\t_\t_
3\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_

1\tSí\tsí\tINTJ\t_\t_\t0\troot\t_\t_

"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Records]:
    """Writes a file and reads its records."""

    def read(name: str, content: str | bytes, format: Format = "auto", **options: bool) -> Records:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(read_records(path, format, **options))

    return read


def test_json_is_a_list_of_records(read: Callable[..., Records]) -> None:
    assert read("a.json", json.dumps(ROWS)) == [("row 1", ROWS[0]), ("row 2", ROWS[1])]


def test_json_may_hold_its_records_under_data_among_other_keys(
    read: Callable[..., Records],
) -> None:
    text = json.dumps({"version": [1, {"x": 2}], "data": ROWS, "note": None}, indent=2)
    assert [record for _, record in read("a.json", text)] == ROWS


def test_squad_s_articles_give_a_record_a_question(read: Callable[..., Records]) -> None:
    first, second = read("a.json", json.dumps(ARTICLES))
    assert first == (
        "article 1, paragraph 1, question 1",
        {
            "id": "q1",
            "title": "Ouse",
            "context": "It is 52 miles long.",
            "question": "How long?",
            "answers": {"text": ["52 miles", "52"], "answer_start": [6, 6]},
        },
    )
    assert second[0] == "article 1, paragraph 1, question 2"


def test_an_impossible_question_has_no_answers(read: Callable[..., Records]) -> None:
    _, (_, impossible) = read("a.json", json.dumps(ARTICLES))
    assert impossible["answers"] == {"text": [], "answer_start": []}


def test_jsonl_is_a_record_a_line_and_blank_lines_are_passed_over(
    read: Callable[..., Records],
) -> None:
    text = '{"a": 1}\r\n\n{"a": "\\u2028"}'
    assert read("a.jsonl", text) == [("line 1", {"a": 1}), ("line 3", {"a": "\u2028"})]


def test_a_line_separator_within_a_jsonl_text_does_not_end_the_line(
    read: Callable[..., Records],
) -> None:
    assert read("a.jsonl", '{"a": "x\u2028y\u0085z"}\n') == [("line 1", {"a": "x\u2028y\u0085z"})]


def test_csv_has_a_header_and_python_s_quoting(read: Callable[..., Records]) -> None:
    text = 'a,b\n"say ""hi"", then\ngo",1\n\nx,\n'
    assert read("a.csv", text) == [
        ("line 2", {"a": 'say "hi", then\ngo', "b": "1"}),
        ("line 5", {"a": "x", "b": None}),
    ]


def test_without_a_header_columns_are_numbered(read: Callable[..., Records]) -> None:
    assert read("a.tsv", "x\t1\ny\t2\n", header=False) == [
        ("line 1", {0: "x", 1: "1"}),
        ("line 2", {0: "y", 1: "2"}),
    ]


def test_an_unquoted_tsv_takes_a_quote_as_it_is(read: Callable[..., Records]) -> None:
    text = 'a\tb\n"open\t5" nail\n'
    assert read("a.tsv", text, "tsv-unquoted") == [("line 2", {"a": '"open', "b": '5" nail'})]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    rows = [{"a": "x", "b": [1, 2], "c": {"t": ["u"]}}, {"a": None, "b": [], "c": {"t": []}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert list(read_records(tmp_path / "a.parquet")) == [("row 1", rows[0]), ("row 2", rows[1])]


@pytest.mark.parametrize("apart", ["\t", " ", "  "])
def test_conll_is_columns_by_number_and_a_blank_line_after_each_sentence(
    read: Callable[..., Records], apart: str
) -> None:
    text = "-DOCSTART- -X- O\n\n# sent_id = 1\nA|DT\nriver|NN\n\n\nFlows|VB\n".replace("|", apart)
    assert read("a.conll", text) == [
        ("lines 4-5", {0: ["A", "river"], 1: ["DT", "NN"]}),
        ("line 8", {0: ["Flows"], 1: ["VB"]}),
    ]


def test_a_hash_that_is_a_token_is_no_comment(read: Callable[..., Records]) -> None:
    text = "#\tSYM\n1\tNUM\n\n#tag O\n# O\n"
    assert [record[0] for _, record in read("a.conll", text)] == [["#", "1"], ["#tag", "#"]]


def test_a_space_that_does_not_break_stays_in_its_token(read: Callable[..., Records]) -> None:
    assert read("a.conll", "5\u00a0000 NUM\n") == [("line 1", {0: ["5\u00a0000"], 1: ["NUM"]})]


def test_conllu_gives_words_without_multiword_tokens_and_empty_nodes(
    read: Callable[..., Records],
) -> None:
    first, second = read("a.conllu", CONLLU)
    assert first[0] == "lines 4-7"
    assert first[1]["form"] == ["vamos", "nos", "mar"]
    assert first[1]["upos"] == ["VERB", "PRON", "NOUN"]
    assert second == (
        "line 9",
        {
            "id": ["1"], "form": ["Sí"], "lemma": ["sí"], "upos": ["INTJ"], "xpos": ["_"],
            "feats": ["_"], "head": ["0"], "deprel": ["root"], "deps": ["_"], "misc": ["_"],
        },
    )  # fmt: skip


def test_ccgbank_gives_each_sentence_s_words_and_supertags(read: Callable[..., Records]) -> None:
    first, second = read("a.auto", CCGBANK)
    assert first == (
        "line 2",
        {
            "id": "own_0001.1",
            "tokens": ["The", "river", "flows", "slowly", "."],
            "tags": ["NP[nb]/N", "N", "S[dcl]\\NP", "(S\\NP)\\(S\\NP)", "."],
        },
    )
    assert second == ("line 5", {"id": "own_0001.2", "tokens": ["Rain"], "tags": ["N"]})


def test_a_ccgbank_s_words_are_as_it_has_them(read: Callable[..., Records]) -> None:
    leaves = [("-LRB-", "LRB"), ("1\\/2", "N/N"), (">)", "N"), (";", ";"), ("5\u00a0m", "N")]
    line = " ".join(f"(<L {tag} X X {word} {tag}_1>)" for word, tag in leaves)
    _, record = read("a.auto", f"ID=a.1\n(<T NP 0 2> {line} )\n")[0]
    assert list(zip(record["tokens"], record["tags"], strict=True)) == leaves


def test_txt_is_a_text_a_line(read: Callable[..., Records]) -> None:
    assert read("a.txt", "one \n\n  \ntwo") == [
        ("line 1", {"text": "one "}),
        ("line 4", {"text": "two"}),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"a": "x"}]'),
        ("a.jsonl", '{"a": "x"}\n'),
        ("a.csv", "a\nx\n"),
        ("a.tsv", "a\nx\n"),
        ("a.conll", "x\n"),
        ("a.auto", "ID=x\n(<L N NN NN x N>)\n"),
        ("a.txt", "x\n"),
    ],
)
def test_text_may_be_compressed_and_may_begin_with_a_byte_order_mark(
    read: Callable[..., Records], name: str, text: str
) -> None:
    plain = read(name, text)
    assert read(f"{name}.gz", gzip.compress(b"\xef\xbb\xbf" + text.encode())) == plain
    assert read(name.upper(), b"\xef\xbb\xbf" + text.encode()) == plain


def test_a_format_that_is_named_wins_over_the_suffix(read: Callable[..., Records]) -> None:
    assert read("a.txt", '{"a": 1}\n', "jsonl") == [("line 1", {"a": 1})]


@pytest.mark.parametrize("name", ["my/notes", "my/a.pdf", "my/a.parquet.gz", "my/a.gz"])
def test_a_suffix_that_says_nothing_asks_for_a_format(name: str) -> None:
    with pytest.raises(UserError, match=rf"^{name}: found the suffix .* or a `format`$"):
        format_of(Path(name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
JSON_RECORDS = st.lists(
    st.dictionaries(st.text().filter(lambda key: key != "paragraphs"), JSON, max_size=3),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, deadline=None)
@given(records=JSON_RECORDS, indent=st.sampled_from([None, 1]), ascii=st.booleans())
@pytest.mark.parametrize("piece", [1, 7, 2**20])
def test_json_is_the_same_in_pieces_of_any_size(
    piece: int, records: list[dict[str, Any]], indent: int | None, ascii: bool
) -> None:
    whole = json.dumps({"n": 1.5, "data": records}, indent=indent, ensure_ascii=ascii)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PIECE_BYTES", piece)
        path = Path(folder) / "a.json"
        path.write_text(whole, encoding="utf-8")
        assert [record for _, record in read_records(path)] == records


@settings(max_examples=15, deadline=None)
@given(records=JSON_RECORDS, cut=st.floats(0, 1, exclude_max=True))
@pytest.mark.parametrize("piece", [5, 2**20])
def test_a_cut_json_gives_the_records_before_the_cut_and_then_an_error(
    piece: int, records: list[dict[str, Any]], cut: float
) -> None:
    whole = json.dumps(records, ensure_ascii=False).encode()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PIECE_BYTES", piece)
        path = Path(folder) / "a.json"
        path.write_bytes(whole[: int(cut * len(whole))])
        found: list[Any] = []
        with pytest.raises(UserError) as error:
            found.extend(record for _, record in read_records(path))
    assert found == records[: len(found)]
    assert "\n" not in str(error.value)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"))), min_size=1)
)
def test_what_python_writes_as_csv_is_read_back(rows: list[tuple[str]]) -> None:
    import csv

    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([("a",), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(written.getvalue().encode())
        assert [record["a"] or "" for _, record in read_records(path)] == [row[0] for row in rows]
