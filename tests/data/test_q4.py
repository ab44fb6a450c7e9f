from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.data.q4 import PackedEncoder, dequantise


def block(scale: float, halves: list[int]) -> bytes:
    """Q4_0 by its definition: value j in the low half of byte j, value j + 16 in the high half."""
    packed = bytes(halves[place] | halves[place + 16] << 4 for place in range(16))
    return struct.pack("<e", scale) + packed


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.floats(-2, 2, width=16),
            st.lists(st.integers(0, 15), min_size=32, max_size=32),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_block_is_its_halves_less_eight_times_its_scale(
    blocks: list[tuple[float, list[int]]],
) -> None:
    found = dequantise(b"".join(block(scale, halves) for scale, halves in blocks))
    expected = [(half - 8) * scale for scale, halves in blocks for half in halves]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def test_many_blocks_are_read_in_order() -> None:
    scales = [1.0, 0.5, 0.25] * 60_000
    found = dequantise(b"".join(block(scale, [9] * 32) for scale in scales)).reshape(-1, 32)
    np.testing.assert_array_equal(found[:, 0], np.array(scales, dtype=np.float32))
    np.testing.assert_array_equal(found[:, 31], np.array(scales, dtype=np.float32))


def packed_file() -> bytes:
    """A whole file of the format: two pieces, one quantised tensor and one that is not."""
    sizes = struct.pack("<7ifi", 32, 1, 1, 64, 2, 4, 2, 1e-12, 32)
    pieces = struct.pack("<5iQ", 2, 0, 2, 1, 3, 3) + struct.pack("<3I2f", 0, 1, 3, -1.0, -2.0)
    rules = struct.pack("<iI", 1, 9) + struct.pack("<IBI", 65, 1, 97)
    start = 8 + len(sizes) + len(pieces) + 3 + len(rules) + 4 + 2 * 31
    tensors = block(0.5, list(range(16)) * 2), np.arange(3, dtype="<f4").tobytes()
    entries = b"".join(
        struct.pack("<H", 8) + name + struct.pack("<BIQQ", kind, 1, offset, len(tensor))
        for name, kind, offset, tensor in [
            (b"emb.word", 1, start, tensors[0]),
            (b"emb.ln.w", 0, start + len(tensors[0]), tensors[1]),
        ]
    )
    head = b"E5S1" + struct.pack("<I", 1) + sizes + pieces + b"abc" + rules
    return head + struct.pack("<i", 2) + entries + b"".join(tensors)


def test_a_packed_file_gives_its_sizes_and_tensors() -> None:
    packed = PackedEncoder(packed_file())
    assert (packed.sizes.hidden, packed.sizes.feed_forward, packed.pieces) == (32, 64, 2)
    assert sorted(packed.entries) == ["emb.ln.w", "emb.word"]
    np.testing.assert_array_equal(packed.tensor("emb.ln.w"), [0, 1, 2])
    word = packed.tensor("emb.word", 32)
    np.testing.assert_array_equal(word, [[(place % 16 - 8) / 2 for place in range(32)]])


@pytest.mark.parametrize("wrong", [b"GGUF" + packed_file()[4:], b""])
def test_bytes_of_another_kind_are_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="expected b'E5S1'"):
        PackedEncoder(wrong)
