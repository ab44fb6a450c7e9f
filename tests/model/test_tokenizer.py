"""A tokenizer is read once a process, and known again by its content."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.encoders import word_piece
from tests.tiny import tokenizer_into
from xtl.errors import UserError
from xtl.model.tokenizer import load_tokenizer, tokenizer_hash


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


@pytest.mark.parametrize(
    "declared", ["TokenizersBackend", "PreTrainedTokenizerFast", "XLMRobertaTokenizerFast", None]
)
def test_it_is_the_one_that_auto_tokenizer_would_choose(
    tmp_path: Path, declared: str | None
) -> None:
    """AutoTokenizer itself imports torch, which a login node does without."""
    from transformers import AutoTokenizer

    tokenizer_into(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config = {**config, "tokenizer_class": declared} if declared else {"model_max_length": 512}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text('{"model_type": "xlm-roberta"}')
    loaded, expected = load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is type(expected)
    assert loaded.backend_tokenizer.to_str() == expected.backend_tokenizer.to_str()
    assert loaded.pad_token_id == expected.pad_token_id == 1
    assert (
        loaded("York is long", "by far")["input_ids"]
        == expected("York is long", "by far")["input_ids"]
    )


@pytest.mark.parametrize(
    ("model_type", "declared"),
    [
        ("bert", None),
        ("bert", "BertTokenizer"),
        ("bert", "BertTokenizerFast"),
        ("bert", "PreTrainedTokenizerFast"),
        ("distilbert", None),
        ("distilbert", "DistilBertTokenizer"),
        ("electra", "ElectraTokenizerFast"),
        ("modernbert", "BertTokenizer"),
        ("mpnet", "MPNetTokenizer"),
    ],
)
def test_of_other_models_too_it_is_the_one_that_auto_tokenizer_would_choose(
    tmp_path: Path, model_type: str, declared: str | None
) -> None:
    from transformers import AutoTokenizer

    word_piece(["York is long", "by far"]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del config["tokenizer_class"]
    said = config | ({"tokenizer_class": declared} if declared else {})
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(said))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    loaded, expected = load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.backend_tokenizer.to_str() == expected.backend_tokenizer.to_str()
    assert loaded.pad_token_id == expected.pad_token_id == 0
    pair = ("York is long", "by far")
    assert loaded(*pair)["input_ids"] == expected(*pair)["input_ids"]


def test_reading_bert_s_imports_no_torch(tmp_path: Path) -> None:
    word_piece(["York is long"]).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    program = (
        "import sys; from pathlib import Path; from xtl.model.tokenizer import load_tokenizer; "
        f"load_tokenizer(Path({str(tmp_path)!r})); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_one_that_pads_with_nothing_is_one_clear_line(tmp_path: Path) -> None:
    tokenizer_into(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: config[key] for key in config if key != "pad_token"}))
    with pytest.raises(UserError, match="pad_token: found none, expected the token that pads"):
        load_tokenizer(tmp_path)


def test_the_hash_is_of_all_files_that_it_is_made_of(tmp_path: Path) -> None:
    tokenizer_into(tmp_path)
    first = tokenizer_hash(tmp_path)
    (tmp_path / "README.md").write_text("a note")
    assert tokenizer_hash(tmp_path) == first
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        path = tmp_path / name
        path.write_text((path.read_text() if path.exists() else "{}") + " ")
        assert tokenizer_hash(tmp_path) != first
        first = tokenizer_hash(tmp_path)


def test_a_folder_without_a_tokenizer_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found no tokenizer\.json, expected a model's tokenizer"):
        tokenizer_hash(tmp_path)
