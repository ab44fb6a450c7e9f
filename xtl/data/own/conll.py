"""Sentences of CoNLL and CoNLL-U files: one token a line, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xtl.data.own.text import fault, lines

UD_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""https://universaldependencies.org/format.html"""

_COMMENT = re.compile(r"#($| |begin document|end document)")
_SKIPPED_ID = re.compile(r"\d+(-|\.)\d+")  # a multiword token, or an empty node
_BLANKS = " \t\r\n"


@dataclass
class _Sentence:
    first: int = 0
    last: int = 0
    rows: list[list[str]] = field(default_factory=list)

    def add(self, number: int, row: list[str]) -> None:
        self.first = self.first or number
        self.last = number
        self.rows.append(row)

    @property
    def place(self) -> str:
        one = self.first == self.last
        return f"line {self.first}" if one else f"lines {self.first}-{self.last}"


def read_conll(path: Path) -> Iterator[tuple[str, dict[int, list[str]]]]:
    """(lines, columns) of each sentence; columns are numbered from 0, apart by tabs or spaces.

    A line without tabs that begins with `# ` before a sentence is a comment.
    """
    for sentence in _sentences(path, _conll_row):
        yield sentence.place, dict(enumerate(map(list, zip(*sentence.rows, strict=True))))


def read_conllu(path: Path) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """(lines, columns) of each sentence's words, the columns by Universal Dependencies' names.

    The lines of multiword tokens (`3-4`) and of empty nodes (`3.1`) are passed over.
    """
    for sentence in _sentences(path, _conllu_row):
        columns = map(list, zip(*sentence.rows, strict=True))
        yield sentence.place, dict(zip(UD_COLUMNS, columns, strict=True))


def _sentences(
    path: Path, row_of: Callable[[Path, int, str, _Sentence], list[str] | None]
) -> Iterator[_Sentence]:
    sentence = _Sentence()
    for number, line in lines(path):
        if not line.strip(_BLANKS) or line.startswith("-DOCSTART-"):
            if sentence.rows:
                yield sentence
            sentence = _Sentence()
            continue
        row = row_of(path, number, line.rstrip("\r\n"), sentence)
        if row is not None:
            sentence.add(number, row)
    if sentence.rows:
        yield sentence


def _conll_row(path: Path, number: int, line: str, sentence: _Sentence) -> list[str] | None:
    by_tabs = "\t" in line
    if not sentence.rows and not by_tabs and _COMMENT.match(line):
        return None
    row = line.split("\t") if by_tabs else re.split(" +", line.strip(" "))
    if sentence.rows and len(row) != len(sentence.rows[0]):
        expected = f"expected {len(sentence.rows[0])} as in line {sentence.first}"
        raise fault(path, f"line {number}", f"found {len(row)} columns, {expected}")
    return row


def _conllu_row(path: Path, number: int, line: str, sentence: _Sentence) -> list[str] | None:
    if line.startswith("#"):
        return None
    row = line.split("\t")
    if len(row) != len(UD_COLUMNS):
        found = f"found {len(row)} columns, expected {len(UD_COLUMNS)}, apart by tabs"
        raise fault(path, f"line {number}", found)
    if _SKIPPED_ID.fullmatch(row[0]):
        return None
    expected = str(len(sentence.rows) + 1)
    if row[0] != expected:
        raise fault(path, f"line {number}", f"column id: found {row[0]!r}, expected {expected}")
    return row
