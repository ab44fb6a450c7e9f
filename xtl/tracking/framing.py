"""The framing of a `.wandb` file: a LevelDB log, read so that damage costs one block at most.

The file is seven bytes of header, then blocks of 32 KiB that count the header in. A block holds
chunks: CRC-32 (of type and payload), length, type, payload. A record is one full chunk, or a first,
any middle and a last one over several blocks. Format:
https://github.com/google/leveldb/blob/main/doc/log_format.md, with zlib's CRC-32 for CRC-32C.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)  # name, magic number, version of the format
BLOCK = 32 * 1024
_CHUNK = struct.Struct("<IHB")
_DAMAGED, _FULL, _FIRST, _LAST = 0, 1, 2, 4  # 3 is a middle chunk


def payloads(data: bytes) -> Iterator[bytes]:
    """The whole records of a file's bytes, in order.

    A chunk that is cut, or does not match its checksum, ends its block: reading goes on at the next
    block with the next record that begins there, as wandb's own reader does. A file without the
    header gives nothing.
    """
    if not data.startswith(HEADER):
        return
    parts: list[bytes] | None = None
    for kind, payload in _chunks(data):
        if kind in (_FULL, _FIRST):
            parts = []
        if kind == _DAMAGED or parts is None:  # None: the beginning of this record is lost
            parts = None
            continue
        parts.append(payload)
        if kind in (_FULL, _LAST):
            yield b"".join(parts)
            parts = None


def _chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    for block in range(0, len(data), BLOCK):
        yield from _chunks_of_block(data, max(block, len(HEADER)), min(block + BLOCK, len(data)))


def _chunks_of_block(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each chunk between two offsets, up to the first that is damaged."""
    while at + _CHUNK.size <= end:
        checksum, length, kind = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        # the checksum covers the byte before the payload too, which is the type
        if at + length > end or checksum != zlib.crc32(data[at - 1 : at + length]):
            yield _DAMAGED, b""
            return
        yield kind, data[at : at + length]
        at += length
