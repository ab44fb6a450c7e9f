"""Text files, compressed by gzip or not, by lines or by pieces, never whole.

What cannot be read is one line that says where.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from xtl.errors import UserError

PIECE_BYTES = 2**20


def fault(path: Path, place: str, message: str) -> UserError:
    """`message` about a place of a file, such as `line 17`; about the file where that is empty."""
    return UserError(f"{path}: {place}: {message}" if place else f"{path}: {message}")


def require_file(path: Path) -> None:
    """UserError where there is no file, or nothing in it."""
    if path.is_dir():
        raise fault(path, "", "found a folder, expected a file")
    if not path.exists():
        raise fault(path, "", "found no such file, expected one to read")
    if path.is_file() and path.stat().st_size == 0:
        raise fault(path, "", "found an empty file, expected records")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line with its line break) of a UTF-8 file; a byte-order mark is dropped."""
    number, before = 0, 0
    with closing(_opened(path)) as stream:
        while raw := _read(path, stream, number, whole_line=True):
            number += 1
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, before + error.start, error) from error
            before += len(raw)
            yield number, line.removeprefix("\ufeff") if number == 1 else line


def pieces(path: Path) -> Iterator[str]:
    """The text of a UTF-8 file in pieces of some 10⁶ characters; a byte-order mark is dropped."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    breaks, before, last = 0, 0, False
    with closing(_opened(path)) as stream:
        while not last:
            raw = _read(path, stream, breaks, whole_line=False)
            last = not raw
            try:
                piece = decoder.decode(raw, final=last)
            except UnicodeDecodeError as error:
                place = before + len(raw) - len(error.object) + error.start
                line = breaks + error.object[: error.start].count(b"\n") + 1
                raise _not_utf8(path, line, place, error) from error
            yield piece.removeprefix("\ufeff") if before == 0 else piece
            breaks, before = breaks + raw.count(b"\n"), before + len(raw)


def _opened(path: Path) -> io.BufferedIOBase:
    try:
        if path.suffix.lower() == ".gz":
            return gzip.open(path, "rb")
        return path.open("rb")
    except OSError as error:
        raise fault(path, "", f"cannot be opened: {error.strerror or error}") from error


def _read(path: Path, stream: io.BufferedIOBase, breaks: int, *, whole_line: bool) -> bytes:
    """The next line or piece; `breaks`: how many line breaks came before it."""
    try:
        return stream.readline() if whole_line else stream.read(PIECE_BYTES)
    except EOFError as error:
        found = "the compressed file is cut here, expected all of it"
        raise fault(path, f"after line {breaks}", found) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        found = f"found what is not gzip ({error}), expected a whole compressed file"
        raise fault(path, f"after line {breaks}", found) from error
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise fault(path, f"after line {breaks}", found) from error


def _not_utf8(path: Path, line: int, place: int, error: UnicodeDecodeError) -> UserError:
    byte = error.object[error.start]
    return fault(path, f"line {line}", f"byte {place} is 0x{byte:02x}, expected UTF-8 text")
