"""Rows, and a model's first weights, that are drawn by numpy's promise alone: for golden runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.tiny import SPECIAL, save_tokenizer

ROWS = 40
WORDS = [f"w{number}" for number in range(100)]
LABELS = {"sentence-pair": ("yes", "maybe", "no"), "tagging": ("a", "b", "c", "d")}
FAMILIES = ("sentence-pair", "span-qa", "multiple-choice", "tagging", "masked-lm")


def rows_of(family: str) -> list[dict[str, Any]]:
    """Words without a sense, a few of them or many."""
    numbers = _numbers(FAMILIES.index(family))
    return [{"id": f"row-{number}", **_row(family, number, numbers)} for number in range(ROWS)]


def _row(family: str, number: int, numbers: Iterator[int]) -> dict[str, Any]:
    words = [WORDS[next(numbers) % len(WORDS)] for _ in range(4 + next(numbers) % 20)]
    text, other = " ".join(words), " ".join(WORDS[next(numbers) % len(WORDS)] for _ in range(5))
    if family == "sentence-pair":
        return {"sentence1": text, "sentence2": other, "label": next(numbers) % 3}
    if family == "multiple-choice":
        choices = other.split()[: 2 + number % 2]
        return {"prompt": text, "choices": choices, "label": next(numbers) % len(choices)}
    if family == "tagging":
        tags = [LABELS["tagging"][int(word[1:]) % 4] for word in words]
        return {"tokens": words, "tags": tags}
    if family == "masked-lm":
        return {"text": text}
    place = next(numbers) % len(words)
    answers = [place] if number % 5 else []
    starts = [len(" ".join(["", *words[:place]])) for place in answers]
    asked = {"text": [words[place] for place in answers], "answer_start": starts}
    return {"context": text, "question": other, "answers": asked}


def make_model(folder: Path) -> None:
    """A tiny XLM-R: a word a token, and weights that no library drew."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import XLMRobertaConfig, XLMRobertaModel

    numbers = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    save_tokenizer(tokenizer, folder)
    config = XLMRobertaConfig(
        vocab_size=len(numbers), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1,
        bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5,
    )  # fmt: skip
    model = XLMRobertaModel(config, add_pooling_layer=False)
    model.load_state_dict(dict(_weights(model.state_dict())))
    model.save_pretrained(folder)


def _weights(like: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Between -0.15 and 0.15, and so far from 1 where LayerNorm scales by them."""
    for number, (name, old) in enumerate(sorted(like.items())):
        numbers = _numbers(1000 + number)
        drawn = np.array([next(numbers) for _ in range(old.numel())], dtype=np.float64)
        middle = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        new = middle + 0.3 * (np.ldexp(drawn, -32) - 0.5)
        yield name, torch.from_numpy(new.reshape(old.shape)).to(old.dtype)


def _numbers(seed: int) -> Iterator[int]:
    """Whole ones below 2**32, without end; numpy promises this stream."""
    source = np.random.PCG64(np.random.SeedSequence(seed))
    while True:
        yield int(source.random_raw()) >> 32
