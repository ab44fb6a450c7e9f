"""docs/extending.md put to work: its package installed, its files and a tiny BERT beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"((?:[^\n]+\n)+)\n```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"`(my[\w/.]+\.\w+|pyproject\.toml)`")


def _named_blocks() -> dict[str, str]:
    """Each block whose paragraph names a file, by that name."""
    found: dict[str, str] = {}
    for paragraph, _, block in _BLOCK.findall(TEXT):
        if name := _NAME.search(paragraph):
            found[name[1]] = block
    return found


FILES = _named_blocks()
(MANIFEST,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def install(folder: Path, name: str, points: Mapping[str, str], files: Mapping[str, str]) -> Path:
    """A distribution of version 1.0 as installers leave it: `folder` goes on PYTHONPATH."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{point} = {module}\n" for point, module in points.items()]
    (about / "entry_points.txt").write_text("[xtl.extensions]\n" + "".join(lines))
    return folder


def install_the_document_s(folder: Path) -> Path:
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    modules = {name: text for name, text in FILES.items() if name.endswith(".py")}
    return install(folder, project["name"], project["entry-points"]["xtl.extensions"], modules)


def write_tiny_bert(folder: Path, texts: list[str]) -> None:
    """With an LM head, as the hub's have, so that tensors of the encoder begin with `bert.`."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from tests.model.encoders import word_piece

    tokenizer = word_piece(texts, size=400)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=128,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
