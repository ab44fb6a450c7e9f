"""A tokenizer is read once a process, and known again by its content."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.tiny import tokenizer_into
from xtl.model.tokenizer import load_tokenizer


def test_checkpoints_with_the_same_tokenizer_share_it(tmp_path: Path) -> None:
    tokenizer_into(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert load_tokenizer(tmp_path / "one") is load_tokenizer(tmp_path / "two")


def test_a_tokenizer_that_differs_is_read_anew(tmp_path: Path) -> None:
    tokenizer_into(tmp_path / "one")
    before = load_tokenizer(tmp_path / "one")
    path = tmp_path / "one" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 64}))
    assert before.model_max_length == 512
    assert load_tokenizer(tmp_path / "one").model_max_length == 64
