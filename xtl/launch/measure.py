"""What the lock says of a model and of a table of data, measured on their files in the mirror."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.sweep.lock import LockedModel, LockedTable, key_of
from xtl.tasks.catalogue import DatasetRef

if TYPE_CHECKING:
    from datasets import Dataset
    from tokenizers import Tokenizer

    from xtl.data.mirror import Snapshot

_SAMPLE = 500  # rows whose mean length stands for the table's


@dataclass(frozen=True)
class Reader:
    """Tables out of the data sets' folders; passages that were read once are kept."""

    folders: Mapping[str, Path]
    _contexts: dict[str, frozenset[str]] = field(default_factory=dict)

    def rows(self, ref: DatasetRef) -> Dataset:
        from xtl.data.loading import load_rows

        rows = load_rows(self.folders[ref.repo], ref.config, ref.split)
        if "context" in rows.column_names:
            self._contexts[key_of(ref)] = frozenset(rows["context"])
        return rows

    def contexts(self, ref: DatasetRef) -> frozenset[str]:
        if key_of(ref) not in self._contexts:
            self.rows(ref)
        return self._contexts[key_of(ref)]


def locked_model(snapshot: Snapshot) -> LockedModel:
    from xtl.data.sources import model_hash

    config = json.loads((snapshot.folder / "config.json").read_text(encoding="utf-8"))
    shapes = _shapes(snapshot.folder)
    embedding = sum(size for name, size in shapes.items() if "word_embeddings" in name)
    return LockedModel(
        repo=snapshot.repo,
        revision=snapshot.revision,
        fingerprint=model_hash(snapshot.folder),
        parameters=sum(shapes.values()),
        embedding_parameters=embedding,
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config.get("num_attention_heads", 0),
    )


def _shapes(folder: Path) -> dict[str, int]:
    """Parameters by tensor, from the headers alone."""
    import math

    from safetensors import safe_open

    found: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                found[name] = math.prod(tensors.get_slice(name).get_shape())
    return found


def read_tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def locked_table(ref: DatasetRef, reader: Reader, tokenizer: Tokenizer) -> LockedTable:
    rows = reader.rows(ref)
    return LockedTable(
        repo=ref.repo,
        revision=reader.folders[ref.repo].name,
        config=ref.config,
        split=ref.split,
        rows=len(rows),
        content=_content(rows),
        mean_tokens=_mean_tokens(rows, tokenizer),
    )


def _content(rows: Dataset) -> str:
    """SHA-256 over the rows as canonical JSON lines: whatever file they came in."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=str).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _mean_tokens(rows: Dataset, tokenizer: Tokenizer) -> float:
    """Tokens of a row's texts, a mean over evenly spaced rows."""
    step = max(1, len(rows) // _SAMPLE)
    texts = [" ".join(_texts(rows[index])) for index in range(0, len(rows), step)]
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return round(sum(lengths) / max(1, len(lengths)), 2)


def _texts(row: Mapping[str, Any]) -> list[str]:
    """The columns that a model reads: texts other than names and codes."""
    skipped = ("id", "title", "source_lang", "target_lang")
    return [value for key, value in row.items() if isinstance(value, str) and key not in skipped]
