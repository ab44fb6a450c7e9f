"""Records of a file, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Literal, get_args

from xtl.data.own import bucc, ccgbank, conll, jsons, tables
from xtl.data.own.text import fault, lines, require_file

Format = Literal[
    "auto", "json", "jsonl", "csv", "tsv", "tsv-unquoted", "parquet", "conll", "conllu", "ccgbank",
    "bucc", "txt",
]  # fmt: skip
Column = str | int
"""What a file calls a column: its name, or its number from 0 where columns have no names."""

Record = Mapping[Column, Any]
Reader = Callable[[Path], Iterator[tuple[str, Any]]]

DELIMITED: tuple[Format, ...] = ("csv", "tsv", "tsv-unquoted")
_SUFFIXES: Mapping[str, Format] = {
    ".auto" if name == "ccgbank" else f".{name}": name
    for name in get_args(Format)
    if name not in ("auto", "tsv-unquoted", "bucc")
}


def read_records(
    path: Path, format: Format = "auto", *, header: bool = True
) -> Iterator[tuple[str, Record]]:
    """(place, record) one after another; the place, such as `line 17`, is for messages.

    Without a `header` the columns of CSV and TSV are numbered. UserError, with the place, where
    the file is missing, empty, cut, or not of its format.
    """
    for file in files_of(path, format):
        require_file(file)
    reader = _reader(format_of(path, format), header)
    none = True
    for place, record in reader(path):
        none = False
        yield place, record
    if none:
        raise fault(path, "", "found no record, expected at least one")


def files_of(path: Path, format: Format = "auto") -> list[Path]:
    """What is read for a path: that file, or of `bucc` those whose names begin with it."""
    return bucc.bucc_files(path) if format == "bucc" else [path]


def format_of(path: PurePath, format: Format = "auto") -> Format:
    """The format that is named, else that of the suffix; UserError where that says nothing."""
    if format != "auto":
        return format
    found = _by_suffix(path)
    if found is None:
        known = ", ".join(_SUFFIXES)
        message = f"found the suffix {path.suffix or 'of no kind'}, expected {known} or a `format`"
        raise fault(Path(path), "", message)
    return found


def _by_suffix(path: PurePath) -> Format | None:
    suffix = path.suffix.lower()
    if suffix != ".gz":
        return _SUFFIXES.get(suffix)
    found = _SUFFIXES.get(path.with_suffix("").suffix.lower())
    return None if found == "parquet" else found  # parquet is compressed within


def _reader(format: Format, header: bool) -> Reader:
    readers: dict[str, Reader] = {
        "json": jsons.read_json,
        "jsonl": jsons.read_jsonl,
        "csv": partial(tables.read_delimited, delimiter=",", header=header, quoted=True),
        "tsv": partial(tables.read_delimited, delimiter="\t", header=header, quoted=True),
        "tsv-unquoted": partial(tables.read_delimited, delimiter="\t", header=header, quoted=False),
        "parquet": tables.read_parquet,
        "conll": conll.read_conll,
        "conllu": conll.read_conllu,
        "ccgbank": ccgbank.read_ccgbank,
        "bucc": bucc.read_bucc,
        "txt": _read_txt,
    }
    return readers[format]


def _read_txt(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(line, its text as `text`); blank lines are passed over."""
    for number, line in lines(path):
        if line.strip():
            yield f"line {number}", {"text": line.rstrip("\r\n")}
