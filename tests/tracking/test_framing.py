"""Damage to a `.wandb` file costs the records of the blocks that it hits, and nothing else."""

import struct
import zlib
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.tracking.framing import BLOCK, HEADER, payloads

SIZES = st.lists(st.integers(1, 400) | st.integers(BLOCK - 40, 2 * BLOCK + 40), max_size=12)
Spans = list[tuple[int, int]]


def frame(records: Sequence[bytes]) -> tuple[bytes, Spans]:
    """The bytes of a log, as wandb writes it, and the first and last block of each record."""
    data = bytearray(HEADER)
    spans = []
    for record in records:
        if BLOCK - len(data) % BLOCK < 7:
            data += bytes(BLOCK - len(data) % BLOCK)
        first, begin = len(data) // BLOCK, True
        while True:
            part = record[: BLOCK - len(data) % BLOCK - 7]
            record = record[len(part) :]
            kind = bytes([(1 if begin else 4) if not record else (2 if begin else 3)])
            data += struct.pack("<IH", zlib.crc32(kind + part), len(part)) + kind + part
            begin = False
            if not record:
                break
        spans.append((first, (len(data) - 1) // BLOCK))
    return bytes(data), spans


def numbered(sizes: Sequence[int]) -> list[bytes]:
    """Records of these sizes at least, none equal to another."""
    return [struct.pack("<I", index).ljust(size, b"x") for index, size in enumerate(sizes)]


def are_in_order(part: Sequence[bytes], whole: Sequence[bytes]) -> bool:
    rest = iter(whole)
    return all(record in rest for record in part)


@given(SIZES)
def test_whole_records_are_read_back_over_any_number_of_blocks(sizes: list[int]) -> None:
    records = numbered(sizes)
    assert list(payloads(frame(records)[0])) == records


@given(SIZES, st.data())
def test_a_cut_file_gives_the_records_before_the_cut(sizes: list[int], draw: st.DataObject) -> None:
    records = numbered(sizes)
    data, _ = frame(records)
    cut = draw.draw(st.integers(0, len(data)))
    found = list(payloads(data[:cut]))
    assert found == records[: len(found)]
    assert len(frame(records[: len(found) + 1])[0]) > cut or found == records


@settings(max_examples=200)
@given(SIZES, st.data())
def test_a_changed_byte_costs_only_records_of_its_block(
    sizes: list[int], draw: st.DataObject
) -> None:
    records = numbered(sizes)
    data, spans = frame(records)
    at = draw.draw(st.integers(0, len(data) - 1))
    damaged = data[:at] + bytes([data[at] ^ draw.draw(st.integers(1, 255))]) + data[at + 1 :]
    found = list(payloads(damaged))
    assert are_in_order(found, records)
    if at >= len(HEADER):
        hit = at // BLOCK
        apart = [r for r, (a, b) in zip(records, spans, strict=True) if not a <= hit <= b]
        assert are_in_order(apart, found)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_log_give_nothing_and_raise_nothing(noise: bytes) -> None:
    assert list(payloads(noise)) == []
    assert list(payloads(HEADER + noise)) == []
