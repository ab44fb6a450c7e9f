"""Rows of a data set, from a snapshot's folder: the same way for hub sets and for generated ones.

Two layouts are known, the hub's two: a README.md whose front matter lists `configs:`, or none,
where each sub-folder is a config (files in the folder itself are the config `default`).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_BATCH_ROWS = 10_000
_PIECE = re.compile(r"(?P<split>\w+)-\d{5}-of-\d{5}\.parquet")


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
    return [str(entry["config_name"]) for entry in _card(folder).get("configs") or []]


def _card(folder: Path) -> dict[str, Any]:
    """The front matter of the set's README.md; empty where there is none."""
    path = folder / "README.md"
    return _front_matter(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=8)
def _front_matter(path: Path, changed: int) -> dict[str, Any]:
    """Read once: google/xtreme's has some 8,000 lines, and is asked for each of 200 configs."""
    import yaml

    parts = re.split(r"^---[ \t]*$", path.read_text(encoding="utf-8"), maxsplit=2, flags=re.M)
    if len(parts) < 3 or parts[0].strip():
        return {}
    try:
        found = yaml.load(parts[1], getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise UserError(f"{path}: the front matter is no YAML: {words}") from error
    return found if isinstance(found, dict) else {}


def _folder_configs(folder: Path) -> list[str]:
    below = sorted(path.name for path in folder.iterdir() if path.is_dir() and _has_tables(path))
    return below or ["default"]


def _has_tables(folder: Path) -> bool:
    files = (path for path in folder.iterdir() if path.is_file())
    return any(path.suffix not in {".md", ""} for path in files) or bool(_converted(folder))


def _read(folder: Path, config: str, split: str, scratch: Path | None) -> datasets.Dataset:
    listed = _listed_files(folder, config)
    if listed is None or not all(path.suffix == ".parquet" for path in chain(*listed.values())):
        return _streamed(folder, config, split, scratch)
    if not listed.get(split):
        raise UserError(_no_split(folder, config, split, listed))
    return _from_parquet(folder, config, listed[split])


def _listed_files(folder: Path, config: str) -> dict[str, list[Path]] | None:
    """The files of each split, where the README lists them so, or their names say so."""
    if converted := _converted(folder / config):
        return converted
    listed = _card(folder).get("configs") or []
    if not listed:
        return _named_files(folder if config == "default" else folder / config)
    entries = [entry for entry in listed if str(entry["config_name"]) == config]
    files = entries[0].get("data_files")
    if not isinstance(files, list) or not all(_names_split(entry) for entry in files):
        return None
    below = entries[0].get("data_dir") or "."
    return {str(entry["split"]): _matching(folder / below, entry["path"]) for entry in files}


def _converted(folder: Path) -> dict[str, list[Path]]:
    """The hub's own conversion of a set: a config's folder has one for each split."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/[0-9][0-9][0-9][0-9].parquet")):
        found.setdefault(path.parent.name, []).append(path)
    return found


def _named_files(folder: Path) -> dict[str, list[Path]] | None:
    """Files as the hub's own converter names them, with nothing else beside them."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix != ".md"]
    names = [_PIECE.fullmatch(path.name) for path in files]
    if not files or not all(names):
        return None
    found: dict[str, list[Path]] = {}
    for path, name in zip(files, names, strict=True):
        if name is not None:
            found.setdefault(name["split"], []).append(path)
    return found


def _names_split(entry: object) -> bool:
    return isinstance(entry, dict) and entry.keys() == {"split", "path"}


def _matching(folder: Path, patterns: str | list[str]) -> list[Path]:
    each = [patterns] if isinstance(patterns, str) else patterns
    return sorted({path for pattern in each for path in folder.glob(pattern) if path.is_file()})


def _from_parquet(folder: Path, config: str, files: list[Path]) -> datasets.Dataset:
    """Parquet files alone: read as they are, with the features that the README gives them, if it
    does (theirs otherwise). The library would go through the whole README for each table."""
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.read_table(path, partitioning=None) for path in files])
    features = _card_features(folder, config) or datasets.Features.from_arrow_schema(table.schema)
    schema = features.arrow_schema
    return in_memory(table.select(schema.names).cast(schema))


def in_memory(table: pa.Table) -> datasets.Dataset:
    """The table as a data set. With a fingerprint of its own, as the library would hash all rows
    to make one, and take twice their memory."""
    import datasets
    from datasets.fingerprint import generate_random_fingerprint

    fingerprint = generate_random_fingerprint()
    return datasets.Dataset(datasets.table.InMemoryTable(table), fingerprint=fingerprint)


def _card_features(folder: Path, config: str) -> datasets.Features | None:
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    listed = _card(folder).get("dataset_info") or []
    each = listed if isinstance(listed, list) else [listed]
    mine = [info for info in each if info.get("config_name", "default") == config]
    if not mine or "features" not in mine[0]:
        return None
    said = {"config_name": config, "features": mine[0]["features"]}
    known = DatasetInfosDict.from_dataset_card_data(DatasetCardData(dataset_info=said))
    found: datasets.Features | None = next(iter(known.values())).features
    return found


def _streamed(folder: Path, config: str, split: str, scratch: Path | None) -> datasets.Dataset:
    """Stream the split and keep it: the one way of the library that writes no cache."""
    import datasets

    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xtl-rows-", dir=scratch) as cache:
        splits: Mapping[str, datasets.IterableDataset] = datasets.load_dataset(
            str(folder), **_chosen(folder, config), streaming=True, cache_dir=cache
        )
        if split not in splits:
            raise UserError(_no_split(folder, config, split, splits))
        return _collected(splits[split])


def _chosen(folder: Path, config: str) -> dict[str, Any]:
    if _card_configs(folder):
        return {"name": config}
    return {} if config == "default" else {"data_dir": config}


def _collected(stream: datasets.IterableDataset) -> datasets.Dataset:
    import pyarrow as pa

    table = pa.concat_tables(stream.with_format("arrow").iter(batch_size=_BATCH_ROWS))
    if stream.features is None:
        return in_memory(table)
    schema = stream.features.arrow_schema  # it names class labels, which a bare table has lost
    return in_memory(table.select(schema.names).cast(schema))


def _no_split(folder: Path, config: str, split: str, there: Iterable[str]) -> str:
    return f"{folder}: config {config}: found no split {split}, expected one of {_listed(there)}"


def _unreadable() -> tuple[type[Exception], ...]:
    import pyarrow as pa
    from datasets.exceptions import DatasetsError

    # RuntimeError is what it says to a set that has a script: none is ever run.
    return (OSError, ValueError, RuntimeError, pa.ArrowException, DatasetsError)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:20])
    return shown if len(listed) <= 20 else f"{shown}, … ({len(listed)} in all)"
