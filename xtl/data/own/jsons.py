"""Records of JSON and of JSONL. A JSON file is read element by element, never whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from xtl.data.own import squad
from xtl.data.own.text import fault, lines, pieces

_DECODER = json.JSONDecoder()
_WHITE = " \t\n\r"
_IN_NUMBERS = "0123456789.eE+-"
_CUT = "it may be cut"
_NAMES = {"[": "list", "{": "object"}
_LONGEST_TOKEN = 16  # characters: a literal, or an escape, that the end of the buffer may cut


def read_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(line, record), one a line; blank lines are passed over."""
    for number, line in lines(path):
        if line.strip():
            yield f"line {number}", _record(path, f"line {number}", _parsed(path, number, line))


def read_json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(row, record) of a list, or of the list `data`; SQuAD's articles give their questions."""
    for number, element in enumerate(_Document(path).elements(), 1):
        if isinstance(element, dict) and "paragraphs" in element:
            yield from squad.questions(path, number, element)
        else:
            yield f"row {number}", _record(path, f"row {number}", element)


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        cut = "" if line.endswith("\n") else "; the file ends here, it may be cut"
        found = f"found no valid JSON ({error.msg}), expected a record{cut}"
        raise fault(path, f"line {number}, character {error.pos + 1}", found) from error
    except (ValueError, RecursionError) as error:
        raise fault(path, f"line {number}", f"found no usable JSON ({error})") from error
    _require_characters(path, line, value, lambda: number)
    return value


def _record(path: Path, place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        found = f'found {type(value).__name__}, expected a record such as {{"column": "value"}}'
        raise fault(path, place, found)
    return value


def _require_characters(path: Path, text: str, value: Any, line: Callable[[], int]) -> None:
    """UserError where an escape is half of a pair: such text can be written nowhere."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}, half of a character"
        raise fault(path, f"line {line()}", f"found {half}, expected all of it") from error


class _Document:
    """A JSON text behind a window: `self.text[self.at:]` comes next, what was before it is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieces = pieces(path)
        self.text = ""
        self.at = 0
        self.ended = False
        self.line, self.column = 1, 1  # of self.text[0]

    def elements(self) -> Iterator[Any]:
        """The elements of the list that the document is, or that its key `data` holds."""
        first = self.peek()
        if first == "[":
            yield from self.listed()
        elif first == "{":
            yield from self.data()
        else:
            raise self.fault(f"found {first!r}, expected a list of records")
        if self.peek():
            hint = " (one record a line is `format: jsonl`)" if first == "{" else ""
            raise self.fault(f"found more after the end of the {_NAMES[first]}{hint}")

    def data(self) -> Iterator[Any]:
        keys = []
        for key in self.keys():
            keys.append(key)
            if key != "data":
                self.value()
            elif self.peek() != "[":
                raise self.fault(f"data: found {self.peek()!r}, expected a list of records")
            else:
                yield from self.listed()
        if "data" not in keys:
            hint = " (one record a line is `format: jsonl`)"
            found = f"found the keys {', '.join(keys) or 'of nothing'}, expected `data`"
            raise self.fault(f"{found} or a list of records{hint}")

    def keys(self) -> Iterator[str]:
        for _ in self.members("{", "}"):
            if self.peek() != '"':
                raise self.fault(f"found {self.peek()!r}, expected a key")
            key = self.value()
            self.take(":")
            yield key

    def listed(self) -> Iterator[Any]:
        for _ in self.members("[", "]"):
            yield self.value()

    def members(self, opening: str, closing: str) -> Iterator[None]:
        """Stops before each member, which is to be taken before the next one is asked for."""
        self.take(opening)
        if self.peek() != closing:
            yield
            while self.peek() == ",":
                self.take(",")
                yield
        self.take(closing, f"',' or {closing!r}")

    def take(self, wanted: str, expected: str = "") -> None:
        found = self.peek()
        if not found:
            raise self.fault(f"the file ends here, expected {expected or repr(wanted)}: {_CUT}")
        if found != wanted:
            raise self.fault(f"found {found!r}, expected {expected or repr(wanted)}")
        self.at += 1

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _WHITE:
                    return self.text[self.at]
                self.at += 1
            if not self.more():
                return ""

    def value(self) -> Any:
        """The next value, whole; the window grows, twofold each time, until it is."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.ended or self.is_certain(error):
                    raise self.invalid(error) from error
            except (ValueError, RecursionError) as error:
                raise self.fault(f"found no usable JSON ({error})") from error
            else:
                if self.ended or not self.may_go_on(end):
                    read = self.text[self.at : end]
                    _require_characters(self.path, read, value, lambda: self.place(self.at)[0])
                    self.at = end
                    return value
            self.more()

    def is_certain(self, error: json.JSONDecodeError) -> bool:
        """Whether what is wrong would be wrong however the text goes on."""
        unfinished = error.msg.startswith("Unterminated string")
        return not unfinished and error.pos < len(self.text) - _LONGEST_TOKEN

    def may_go_on(self, end: int) -> bool:
        """Whether what was read up to `end` may be the beginning of a longer number."""
        return end == len(self.text) or self.text[end] in _IN_NUMBERS

    def more(self) -> bool:
        """Let go of what was taken and read as much again as is left, at least a piece."""
        self.line, self.column = self.place(self.at)
        parts, size = [self.text[self.at :]], 0
        while not self.ended and size <= len(parts[0]):
            piece = next(self.pieces, None)
            self.ended = piece is None
            parts.append(piece or "")
            size += len(parts[-1])
        self.text, self.at = "".join(parts), 0
        return size > 0

    def place(self, at: int) -> tuple[int, int]:
        """Line and character, both from 1, of a place in the window."""
        breaks = self.text.count("\n", 0, at)
        if breaks:
            return self.line + breaks, at - self.text.rfind("\n", 0, at)
        return self.line, self.column + at

    def invalid(self, error: json.JSONDecodeError) -> Exception:
        self.at = error.pos
        at_end = self.ended and error.pos >= len(self.text.rstrip(_WHITE))
        if at_end or error.msg.startswith("Unterminated string"):
            return self.fault(f"the file ends within a value, expected the rest of it: {_CUT}")
        return self.fault(f"found no valid JSON ({error.msg})")

    def fault(self, message: str) -> Exception:
        line, column = self.place(self.at)
        return fault(self.path, f"line {line}, character {column}", message)
