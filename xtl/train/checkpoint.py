"""Resume state: written whole, marked complete, checked before it is believed.

`<folder>/step-000123/` holds DeepSpeed's files of every rank. It counts only with COMPLETE.json
in it, which rank 0 writes last, with size and sha256 of every file. The last two are kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from xtl.data.mirror import file_hash
from xtl.files import read_json, write_whole
from xtl.train.distributed import gathered, on_rank_zero
from xtl.train.engine import Engine

MARKER = "COMPLETE.json"
KEPT = 2

Record = dict[str, dict[str, Any]]
"""File name → its size and sha256."""


@dataclass(frozen=True)
class Layout:
    """What resume state is bound to: DeepSpeed's files fit no other."""

    ranks: int
    zero_stage: int
    precision: str


@dataclass(frozen=True)
class Resumed:
    """`state` of the checkpoint that was loaded, None if there was none; what was passed over."""

    state: dict[str, Any] | None
    passed_over: tuple[str, ...]


def save(
    engine: Engine,
    folder: Path,
    update: int,
    state: Mapping[str, Any],
    layout: Layout,
    fence: Callable[[], None],
) -> None:
    """Write and commit the state after `update` updates. Collective; raises what `fence` raises."""
    tag = f"step-{update:06}"
    on_rank_zero(lambda: shutil.rmtree(folder / tag, ignore_errors=True))
    engine.save(folder, tag, state)
    record = _record(folder / tag)
    on_rank_zero(lambda: _commit(folder, tag, record, layout, fence))


def load(engine: Engine, folder: Path, layout: Layout) -> Resumed:
    """Take over the newest checkpoint that is whole and fits. Collective."""
    passed_over: list[str] = []
    for tag in on_rank_zero(lambda: _tags(folder)):
        fault = _fault(folder / tag, layout)
        if fault is None:
            return Resumed(engine.load(folder, tag), tuple(passed_over))
        passed_over.append(f"{tag}: {fault}")
    return Resumed(None, tuple(passed_over))


def _tags(folder: Path) -> list[str]:
    """Newest first, whole or not."""
    return sorted((path.name for path in folder.glob("step-*")), reverse=True)


def _record(folder: Path) -> Record:
    """Size and hash of every file, all of them on disk. Collective: the ranks share the work."""
    names = sorted(path.name for path in folder.iterdir())
    mine: Record = {}
    for name in _share(names):
        path = folder / name
        _sync(path)
        mine[name] = {"size": path.stat().st_size, "sha256": file_hash(path)}
    return {name: entry for part in gathered(mine) for name, entry in part.items()}


def _commit(
    folder: Path, tag: str, record: Record, layout: Layout, fence: Callable[[], None]
) -> None:
    fence()
    marker = {"layout": asdict(layout), "files": dict(sorted(record.items()))}
    write_whole(folder / tag / MARKER, _json(marker))
    for old in _tags(folder)[KEPT:]:
        shutil.rmtree(folder / old, ignore_errors=True)


def _fault(folder: Path, layout: Layout) -> str | None:
    """What is wrong with a checkpoint, if anything. Collective: the ranks share the work."""
    faults = gathered(_fault_here(folder, layout))
    return next((fault for fault in faults if fault is not None), None)


def _fault_here(folder: Path, layout: Layout) -> str | None:
    marker = read_json(folder / MARKER)
    if not isinstance(marker, dict):
        return f"no {MARKER}"
    if marker["layout"] != asdict(layout):
        return f"found state of {marker['layout']}, expected {asdict(layout)}"
    for name in _share(sorted(marker["files"])):
        entry, path = marker["files"][name], folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["size"]:
            return f"{name}: found {size} bytes, expected {entry['size']}"
        if file_hash(path) != entry["sha256"]:
            return f"{name}: content does not match its checksum"
    return None


def _share(names: Sequence[str]) -> Sequence[str]:
    return names[dist.get_rank() :: dist.get_world_size()]
