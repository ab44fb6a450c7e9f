"""Arrays of a pool on disk: one file that every rank maps, and a JSON that says what is in it.

Flat arrays, not an Arrow table: that is read in record batches, so an index over a pool would have
to find the batch first. Here an array is one contiguous view of one mapped file. Opening it costs
the reading of a small JSON, and memory only the pages that are touched, once for all ranks of a
machine. A folder is written once, sealed, and never changed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from xtl.errors import UserError
from xtl.files import allowed, read_json, sync_folder

FORMAT = 1
"""Raised when the same content would be laid out in other bytes."""

DATA, ABOUT = "arrays.bin", "pool.json"
_ALIGNMENT = 64
_READ_ONLY = 0o444

AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """An array of shape (any,), or (any, width) where the width is more than 1."""

    dtype: str
    width: int = 1

    def shape(self, count: int) -> tuple[int, ...]:
        return (count,) if self.width == 1 else (count, self.width)


@dataclass(frozen=True)
class Arrays:
    """Read-only views of a mapped file, by name, and what the JSON says beside them."""

    about: Mapping[str, Any]
    views: Mapping[str, AnyArray]


class ArrayWriter:
    """Streams arrays into a folder, piece by piece, and seals it at the end."""

    def __init__(self, folder: Path, columns: Mapping[str, Column]) -> None:
        self._folder, self._columns = folder, columns
        self._streams = {name: self._part(name).open("wb") for name in columns}

    def append(self, pieces: Mapping[str, AnyArray]) -> None:
        """Add to the arrays that are named; each piece has its column's shape."""
        for name, piece in pieces.items():
            column = self._columns[name]
            if piece.shape != column.shape(len(piece)):
                raise ValueError(f"{name}: found shape {piece.shape}, expected {column}")
            self._streams[name].write(np.ascontiguousarray(piece, dtype=column.dtype).data)

    def seal(self, key: str, about: Mapping[str, Any]) -> None:
        """Join all into one file, write the JSON, make both durable and read-only."""
        self.close()
        with (self._folder / DATA).open("wb") as stream:
            arrays = {name: self._join(name, stream) for name in self._columns}
            _pad(stream, least=_ALIGNMENT)  # an empty file cannot be mapped
            size = stream.tell()
        body = {
            "format": FORMAT,
            "key": key,
            "about": dict(about),
            "bytes": size,
            "sha256": _sha256(self._folder / DATA),
            "arrays": arrays,
        }
        text = json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True)
        (self._folder / ABOUT).write_text(f"{text}\n", encoding="utf-8")
        for name in (DATA, ABOUT):
            _seal(self._folder / name)
        sync_folder(self._folder)

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()

    def _part(self, name: str) -> Path:
        return self._folder / f"{name}.part"

    def _join(self, name: str, stream: BinaryIO) -> dict[str, Any]:
        _pad(stream)
        column, part, offset = self._columns[name], self._part(name), stream.tell()
        count = part.stat().st_size // (np.dtype(column.dtype).itemsize * column.width)
        with part.open("rb") as source:
            shutil.copyfileobj(source, stream, 1 << 20)
        part.unlink()
        return {"dtype": column.dtype, "shape": list(column.shape(count)), "offset": offset}


def check_arrays(folder: Path, key: str) -> dict[str, Any]:
    """The folder's JSON; UserError where it is of something else, or the file beside it is cut."""
    body = read_json(folder / ABOUT)
    if not isinstance(body, dict) or body.get("key") != key or body.get("format") != FORMAT:
        raise _unusable(folder / ABOUT, "no description of this cache", f"one of {key[:12]}…")
    data = folder / DATA
    found = data.stat().st_size if data.is_file() else 0
    if found != body["bytes"]:
        raise _unusable(data, f"{found:,} bytes", f"{body['bytes']:,}")
    return body


def open_arrays(folder: Path, key: str) -> Arrays:
    """Map the folder's arrays; UserError as `check_arrays` raises it."""
    body = check_arrays(folder, key)
    with (folder / DATA).open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    views = {name: _view(mapped, entry) for name, entry in body["arrays"].items()}
    return Arrays(body["about"], views)


def _view(mapped: mmap.mmap, entry: Mapping[str, Any]) -> AnyArray:
    shape = tuple(entry["shape"])
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.frombuffer(mapped, dtype=entry["dtype"], count=count, offset=entry["offset"])
    return flat.reshape(shape)


def _pad(stream: BinaryIO, least: int = 0) -> None:
    end = max(least, -(-stream.tell() // _ALIGNMENT) * _ALIGNMENT)
    stream.write(bytes(end - stream.tell()))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(path: Path) -> None:
    path.chmod(allowed(_READ_ONLY))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, found: str, expected: str) -> UserError:
    return UserError(
        f"{path}: found {found}, expected {expected}: delete {path.parent} and run `xtl prepare`"
    )
