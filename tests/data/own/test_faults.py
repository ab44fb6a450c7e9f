"""What is missing, cut or broken is one line that names the file, the place and what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtl.data.own.records import Format, read_records
from xtl.errors import UserError

LONG = '{"data": [' + ", ".join(['{"a": "' + "x" * 200 + '"}'] * 50) + "]}"

FAULTS: list[tuple[str, str, str | bytes, str | None]] = [
    ("an empty file", "a.jsonl", "", "found an empty file, expected records"),
    ("blank lines alone", "a.jsonl", "\n\n", "found no record, expected at least one"),
    ("an empty list", "a.json", "[]", "found no record, expected at least one"),
    ("a header alone", "a.csv", "a,b\n", "found no record, expected at least one"),
    ("no bytes within gzip", "a.txt.gz", gzip.compress(b""),
     "found no record, expected at least one"),
    ("a last line that is cut", "a.jsonl", '{"a": 1}\n{"a": "on',
     "line 2, character 7: found no valid JSON (Unterminated string starting at), expected a "
     "record; the file ends here, it may be cut"),
    ("a line that is broken", "a.jsonl", '{"a": 1}\n{"a" 1}\n{"a": 1}\n',
     "line 2, character 6: found no valid JSON (Expecting ':' delimiter), expected a record"),
    ("a line that is no record", "a.jsonl", "[1]\n",
     'line 1: found list, expected a record such as {"column": "value"}'),
    ("half of a character", "a.jsonl", '{"a": "\\ud83d"}\n',
     "line 1: found \\ud83d, half of a character, expected all of it"),
    ("half of a character in a list", "a.json", '[\n{"a": "\\uD83D"}]',
     "line 2: found \\ud83d, half of a character, expected all of it"),
    ("nesting without end", "a.jsonl", "[" * 100_000 + "\n", None),
    ("JSON that is cut in a text", "a.json", '[\n  {"a": "on',
     "line 2, character 9: the file ends within a value, expected the rest of it: it may be cut"),
    ("JSON that is cut between records", "a.json", '[\n  {"a": 1}',
     "line 2, character 11: the file ends here, expected ',' or ']': it may be cut"),
    ("JSON that is cut after a comma", "a.json", '[{"a": 1},\n',
     "line 2, character 1: the file ends within a value, expected the rest of it: it may be cut"),
    ("JSON that is cut after its data", "a.json", '{"data": [{"a": 1}]',
     "line 1, character 20: the file ends here, expected ',' or '}': it may be cut"),
    ("JSON that is broken", "a.json", '[\n{"a": 1},\n{"a": tru}]',
     "line 3, character 7: found no valid JSON (Expecting value)"),
    ("JSON that is broken far from its end", "a.json", LONG.replace('"a"', "'a'", 1),
     "line 1, character 12: found no valid JSON (Expecting property name enclosed in double "
     "quotes)"),
    ("JSON that is a text", "a.json", '"a"',
     "line 1, character 1: found '\"', expected a list of records"),
    ("JSON without data", "a.json", '{"rows": [], "n": 1}',
     "line 1, character 21: found the keys rows, n, expected `data` or a list of records "
     "(one record a line is `format: jsonl`)"),
    ("JSONL under another name", "a.json", '{"a": 1}\n{"a": 2}\n',
     "line 1, character 9: found the keys a, expected `data` or a list of records "
     "(one record a line is `format: jsonl`)"),
    ("more after the list", "a.json", '[{"a": 1}]\n[]',
     "line 2, character 1: found more after the end of the list"),
    ("data that is no list", "a.json", '{"data": {"a": 1}}',
     "line 1, character 10: data: found '{', expected a list of records"),
    ("a record that is none", "a.json", '[{"a": 1}, 7]',
     'row 2: found int, expected a record such as {"column": "value"}'),
    ("an article without a list", "a.json", '[{"paragraphs": "x"}]',
     "article 1: paragraphs: found str, expected a list"),
    ("a paragraph without questions", "a.json", '[{"paragraphs": [{"context": "x"}]}]',
     "article 1, paragraph 1: qas: found NoneType, expected a list"),
    ("a paragraph that is none", "a.json", '[{"paragraphs": [1]}]',
     "article 1, paragraph 1: found int, expected keys and values"),
    ("a quote that is never closed", "a.csv", 'a,b\nx,1\n"y,2\nz,3\n',
     "line 3: found a quote that is never closed, expected another before the end"),
    ("a quote that closes too early", "a.csv", 'a,b\n"y" or so,2\n',
     "line 2: found fields that cannot be told apart (',' expected after '\"')"),
    ("an open quote in a TSV", "a.tsv", 'a\tb\n"y\t2\n',
     "line 2: found a quote that is never closed, expected another before the end "
     "(`format: tsv-unquoted` takes a quote as a character like any other)"),
    ("too few fields", "a.csv", 'a,b\n"x\ny",1\nz\n',
     "line 4: found 1 fields, expected 2 as in the header"),
    ("too many fields", "a.tsv", "a\tb\nx\t1\t2\n",
     "line 2: found 3 fields, expected 2 as in the header"),
    ("a column with a twin", "a.csv", "a,b,a\n1,2,3\n",
     "line 1: column a: found it 2 times, expected each name once"),
    ("a token that is cut", "a.conll", "A\tDT\nriver\tNN\n\nIt\tPRP\nfl",
     "line 5: found 1 columns, expected 2 as in line 4"),
    ("a word that is cut", "a.conllu", "# text = a\n1\ta\ta\tDET\n",
     "line 2: found 4 columns, expected 10, apart by tabs"),
    ("a word that is missing", "a.conllu", "1" + "\t_" * 9 + "\n3" + "\t_" * 9 + "\n",
     "line 2: column id: found '3', expected 2"),
    ("columns under CCGbank's name", "a.auto", "It\tNP\n",
     "line 1: found 'It\\tNP', expected `ID=…` before a derivation"),
    ("a derivation without a name", "a.auto", "ID=a.1\n(<L N NN NN rain N>)\n\n(<L N NN NN sun N>)",
     "line 4: found '(<L N NN NN sun N>)', expected `ID=…` before a derivation"),
    ("a name without a derivation", "a.auto", "ID=a.1 PARSER=GOLD\nID=a.2 PARSER=GOLD\n",
     "line 2: found 'ID=a.2 PARSER=GOLD', expected the derivation of a.1"),
    ("a derivation that is missing", "a.auto", "ID=a.1\n(<L N NN NN rain N>)\nID=a.2\n",
     "the file ends here, expected the derivation of a.2"),
    ("a derivation that is cut in a leaf", "a.auto", "ID=a.1\n(<T NP 0 1> (<L N NN NN ra",
     "line 2, character 13: found '(<L N NN NN ra', expected `(<T …>`, `(<L …>)` or `)`"),
    ("a derivation that is cut in a node", "a.auto", "ID=a.1\n(<T NP 0 1> (<L N NN NN rain N>) \n",
     "line 2: found the end of the line, expected 1 more `)`: it may be cut"),
    ("more after a derivation", "a.auto", "ID=a.1\n(<T NP 0 1> (<L N NN NN rain N>) ) )\n",
     "line 2, character 36: found ')', expected the end of the line"),
    ("a leaf of another treebank", "a.auto", "ID=a.1\n(S (NP (NN rain)))\n",
     "line 2, character 1: found '(S (NP (NN rain)))', expected `(<T …>`, `(<L …>)` or `)`"),
    ("a bracket that closes nothing", "a.auto", "ID=a.1\n) (<L N NN NN rain N>)\n",
     "line 2, character 1: found ') (<L N NN NN rain N…', expected `(<T …>`, `(<L …>)` or `)`"),
    ("a line that is not UTF-8", "a.txt", "été\n".encode() + "été\n".encode("latin-1"),
     "line 2: byte 6 is 0xe9, expected UTF-8 text"),
    ("JSON that is not UTF-8", "a.json", b'[\n{"a": "\xe9"}]',
     "line 2: byte 9 is 0xe9, expected UTF-8 text"),
    ("a character that is cut", "a.json", '[{"a": "é'.encode()[:-1],
     "line 1: byte 8 is 0xc3, expected UTF-8 text"),
    ("what is not gzip", "a.txt.gz", "plain\n",
     "after line 0: found what is not gzip (Not a gzipped file (b'pl')), expected a whole "
     "compressed file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [row[1:] for row in FAULTS],
    ids=[row[0] for row in FAULTS],
)
def test_a_fault_is_one_line(
    tmp_path: Path, name: str, content: str | bytes, message: str | None
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError) as error:
        list(read_records(path))
    said = str(error.value)
    assert "\n" not in said
    if message is None:
        assert said.startswith(f"{path}: line 1: found no usable JSON (")
    else:
        assert said == f"{path}: {message}"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.json: found no such file, expected one to read$"):
        list(read_records(tmp_path / "a.json"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found a folder, expected a file$"):
        list(read_records(tmp_path, "json"))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.txt.gz"])
def test_a_cut_gzip_file_says_after_which_line(tmp_path: Path, name: str) -> None:
    lines = b"".join(json.dumps({"a": str(n) * 50}).encode() + b"\n" for n in range(2000))
    (tmp_path / name).write_bytes(gzip.compress(lines)[:-3000])
    places: list[str] = []
    with pytest.raises(UserError) as error:
        places.extend(place for place, _ in read_records(tmp_path / name))
    ends = f"after {places[-1]}: the compressed file is cut here, expected all of it"
    assert str(error.value).endswith(ends)


@pytest.mark.parametrize("kept", [3, 200, -1])
def test_a_cut_parquet_file_is_one_line(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [str(n) for n in range(1000)]}), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"cannot be read \(.*\), expected a whole parquet file$"):
        list(read_records(path))


def test_a_parquet_file_that_is_broken_within_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [str(n) for n in range(9000)]}), path, compression="snappy")
    content = bytearray(path.read_bytes())
    content[2000:9000] = bytes(7000)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read \(.*\), expected a whole parquet file$"):
        list(read_records(path))


@pytest.mark.parametrize(
    "format", ["jsonl", "json", "csv", "conll", "conllu", "ccgbank", "parquet", "txt"]
)
def test_a_picture_is_not_read_as_anything(tmp_path: Path, format: Format) -> None:
    path = tmp_path / "picture"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\xff\xd8" * 50)
    with pytest.raises(UserError):
        list(read_records(path, format))
