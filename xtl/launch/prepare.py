"""Prepare: resolve a manifest's model and data to revisions in the mirror, and write the lock."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.sweep.lock import Lock, LockedModel, LockedTable, key_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import tables_of
from xtl.tasks.catalogue import DatasetRef

if TYPE_CHECKING:
    from datasets import Dataset
    from tokenizers import Tokenizer

    from xtl.data.mirror import Mirror, Snapshot

Report = Callable[[str], None]
_SAMPLE = 500  # rows whose mean length stands for the table's


def missing(manifest: Manifest, lock: Lock | None) -> list[DatasetRef]:
    """The tables that the lock does not have yet. Empty: nothing to prepare."""
    tables = lock.tables if lock and lock.model.repo == manifest.model.repo else {}
    return [ref for ref in tables_of(manifest) if key_of(ref) not in tables]


def is_complete(manifest: Manifest, lock: Lock | None) -> bool:
    return (
        lock is not None and lock.model.repo == manifest.model.repo and not missing(manifest, lock)
    )


def prepare(
    manifest: Manifest, lock: Lock | None, mirror: Mirror, cache: Path, report: Report
) -> Lock:
    """The lock with all that the manifest needs. What is locked stays as it is locked."""
    from xtl.data.sources import Kind, obtain

    hub = os.environ.get("XTL_HUB")

    def get(repo: str, kind: Kind) -> Snapshot:
        return obtain(
            repo, kind, mirror, cache=cache, hub=Path(hub) if hub else None, report=report
        )

    same = lock is not None and lock.model.repo == manifest.model.repo
    model = lock.model if lock and same else _locked_model(get(manifest.model.repo, "model"))
    tables = dict(lock.tables) if lock and same else {}
    wanted = [ref for ref in tables_of(manifest) if key_of(ref) not in tables]
    snapshots = {repo: get(repo, "dataset") for repo in dict.fromkeys(ref.repo for ref in wanted)}
    tokenizer = _tokenizer(mirror.find(model.repo, model.revision))
    for number, ref in enumerate(wanted, 1):
        report(f"reading {key_of(ref)} ({number}/{len(wanted)})")
        tables[key_of(ref)] = _locked_table(ref, snapshots[ref.repo], tokenizer)
    return Lock(model=model, tables=dict(sorted(tables.items())))


def _locked_model(snapshot: Snapshot) -> LockedModel:
    config = json.loads((snapshot.folder / "config.json").read_text(encoding="utf-8"))
    shapes = _shapes(snapshot.folder)
    embedding = sum(size for name, size in shapes.items() if "word_embeddings" in name)
    return LockedModel(
        repo=snapshot.repo,
        revision=snapshot.revision,
        fingerprint=snapshot.fingerprint,
        parameters=sum(shapes.values()),
        embedding_parameters=embedding,
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
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


def _tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def _locked_table(ref: DatasetRef, snapshot: Snapshot, tokenizer: Tokenizer) -> LockedTable:
    from xtl.data.loading import load_rows

    rows = load_rows(snapshot.folder, ref.config, ref.split)
    return LockedTable(
        repo=ref.repo,
        revision=snapshot.revision,
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
