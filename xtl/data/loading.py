"""Rows of a data set, from a snapshot's folder: the same way for hub sets and for generated ones.

Two layouts are known, the hub's two: a README.md whose front matter lists `configs:`, or none,
where each sub-folder is a config (files in the folder itself are the config `default`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError

if TYPE_CHECKING:
    import datasets

_BATCH_ROWS = 10_000


def load_rows(
    folder: Path, config: str, split: str, scratch: Path | None = None
) -> datasets.Dataset:
    """One split in memory, with the set's own features. No network, and no cache is left.

    `scratch` is a folder of this machine (the system's temporary one if None): the library takes
    a file lock in it, which a shared file system may not grant. UserError where the config or
    the split is missing, or where the files cannot be read.
    """
    names = config_names(folder)
    if config not in names:
        raise UserError(f"{folder}: found no config {config}, expected one of {_listed(names)}")
    try:
        return _read(folder, config, split, scratch)
    except _unreadable() as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder}: {config}/{split} cannot be read: {first}") from error


def config_names(folder: Path) -> list[str]:
    """The configs of a data set, in its README's order or by folder name."""
    if not folder.is_dir():
        raise UserError(f"{folder}: found no such folder, expected a data set there")
    return _card_configs(folder) or _folder_configs(folder)


def _card_configs(folder: Path) -> list[str]:
    from huggingface_hub import DatasetCard

    card = folder / "README.md"
    if not card.is_file():
        return []
    listed = DatasetCard.load(card, ignore_metadata_errors=True).data.get("configs") or []
    return [str(entry["config_name"]) for entry in listed]


def _folder_configs(folder: Path) -> list[str]:
    below = sorted(path.name for path in folder.iterdir() if path.is_dir() and _has_tables(path))
    return below or ["default"]


def _has_tables(folder: Path) -> bool:
    return any(path.suffix not in {".md", ""} for path in folder.iterdir() if path.is_file())


def _read(folder: Path, config: str, split: str, scratch: Path | None) -> datasets.Dataset:
    """Stream the split and keep it: the one way of the library that writes no cache."""
    import datasets

    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xtl-rows-", dir=scratch) as cache:
        splits: Mapping[str, datasets.IterableDataset] = datasets.load_dataset(
            str(folder), **_chosen(folder, config), streaming=True, cache_dir=cache
        )
        if split not in splits:
            raise UserError(
                f"{folder}: config {config}: found no split {split}, "
                f"expected one of {_listed(splits)}"
            )
        return _collected(splits[split])


def _chosen(folder: Path, config: str) -> dict[str, Any]:
    if _card_configs(folder):
        return {"name": config}
    return {} if config == "default" else {"data_dir": config}


def _collected(stream: datasets.IterableDataset) -> datasets.Dataset:
    import datasets
    import pyarrow as pa

    table = pa.concat_tables(stream.with_format("arrow").iter(batch_size=_BATCH_ROWS))
    if stream.features is None:
        return datasets.Dataset(datasets.table.InMemoryTable(table))
    schema = stream.features.arrow_schema  # it names class labels, which a bare table has lost
    return datasets.Dataset(datasets.table.InMemoryTable(table.select(schema.names).cast(schema)))


def _unreadable() -> tuple[type[Exception], ...]:
    import pyarrow as pa
    from datasets.exceptions import DatasetsError

    return (OSError, ValueError, pa.ArrowException, DatasetsError)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:20])
    return shown if len(listed) <= 20 else f"{shown}, … ({len(listed)} in all)"
