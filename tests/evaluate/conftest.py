"""A checkpoint and evaluation sets of our own writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from tests.evaluate.checkpoints import span_head, write_checkpoint
from tests.tasks.records import PARAGRAPHS, question
from tests.tasks.tokenizers import small_tokenizer


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Results are compared bit for bit, and tiny products gain nothing from threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return small_tokenizer([context for context, _ in PARAGRAPHS.values()])


@pytest.fixture(scope="session")
def checkpoint(
    tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"), tokenizer, span_head())


@pytest.fixture(scope="session")
def questions() -> dict[str, list[dict[str, Any]]]:
    """Three questions a language, one of them over two paragraphs, so over several windows."""
    english = PARAGRAPHS["en"][0]
    return {
        language: [
            question(context, answer, asked="York?", name=f"{language}-0"),
            question(f"{context} {english}", answer, asked="long", name=f"{language}-1"),
            question(f"{english} {context}", answer, asked="long?", name=f"{language}-2"),
        ]
        for language, (context, answer) in PARAGRAPHS.items()
    }


@pytest.fixture(scope="session")
def pairs() -> dict[str, list[dict[str, Any]]]:
    """Sentence pairs whose English side is the same in each language."""
    english = ["York is long", "It rises in 1998", "The river", "It is near", "52 miles"]
    return {
        language: [
            {
                "source_sentence": f"{context[3 * k : 3 * k + 20]}\n",
                "target_sentence": f"{sentence}\n",
            }
            for k, sentence in enumerate(english)
        ]
        for language, (context, _) in PARAGRAPHS.items()
        if language != "en"
    }
