"""Resume state: written whole, marked complete, checked before it is believed.

`<folder>/step-000123/` holds DeepSpeed's files of every rank. It counts only with COMPLETE.json
in it, which rank 0 writes last, with size and sha256 of every file. The last two are kept, and the
best so far where a selection asks for it: later ones count only as long as that one is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from xtl.files import read_json, write_whole
from xtl.train.distributed import gathered, on_rank_zero
from xtl.train.engine import Engine
from xtl.train.inventory import Inventory, find_fault, take_inventory

MARKER = "COMPLETE.json"
KEPT = 2


@dataclass(frozen=True)
class Layout:
    """What resume state is bound to: DeepSpeed's files of another one do not fit.

    `start` is the digest of the weights that the training began with: a parent that was trained
    again to other ones leaves its child nothing to go on from.
    """

    ranks: int
    zero_stage: int
    start: str


@dataclass(frozen=True)
class Resumed:
    """Our `state` in the checkpoint that was loaded (None: there was none), and what was passed
    over on the way to it, each with the reason."""

    state: dict[str, Any] | None
    passed_over: tuple[str, ...]


def save(
    engine: Engine,
    folder: Path,
    update: int,
    state: Mapping[str, Any],
    layout: Layout,
    fence: Callable[[], None],
    best: int | None = None,
) -> None:
    """Write and commit the state after `update` updates. Collective; raises what `fence` raises.

    `best` is the update whose state must be kept beside it.
    """
    tag = _tag(update)
    on_rank_zero(lambda: shutil.rmtree(folder / tag, ignore_errors=True))
    engine.save(folder, tag, state)
    inventory = _inventory(folder / tag)
    needed = None if best in (None, update) else _tag(best)
    on_rank_zero(lambda: _commit(folder, tag, inventory, layout, needed, fence))


def load(engine: Engine, folder: Path, layout: Layout) -> Resumed:
    """Take over the newest checkpoint that is whole and fits. Collective."""
    passed_over: list[str] = []
    for tag in on_rank_zero(lambda: _tags(folder)):
        fault = _fault(folder / tag, layout)
        if fault is None:
            return Resumed(engine.load(folder, tag), tuple(passed_over))
        passed_over.append(f"{tag}: {fault}")
    return Resumed(None, tuple(passed_over))


def load_best(engine: Engine, folder: Path, update: int, layout: Layout) -> None:
    """Take over the weights after `update` updates. Collective; OSError where they are not whole:
    another attempt passes over what needs them, and makes them again."""
    fault = _fault(folder / _tag(update), layout)
    if fault is not None:
        raise OSError(f"{folder / _tag(update)}, the best checkpoint: {fault}")
    engine.load(folder, _tag(update))


def _tag(update: int) -> str:
    return f"step-{update:06}"


def _tags(folder: Path) -> list[str]:
    """Newest first, whole or not."""
    return sorted((path.name for path in folder.glob("step-*")), reverse=True)


def _commit(
    folder: Path, tag: str, inventory: Inventory, layout: Layout, needed: str | None,
    fence: Callable[[], None],
) -> None:  # fmt: skip
    fence()
    files = dict(sorted(inventory.items()))
    marker = {"layout": asdict(layout), "needs": needed, "files": files}
    write_whole(folder / tag / MARKER, json.dumps(marker, indent=1))
    # A later tag is one that was passed over: this training has come a different way since.
    kept = [each for each in _tags(folder) if each <= tag][:KEPT]
    kept += [needed for each in kept if (needed := _needs(folder / each))]
    for other in set(_tags(folder)) - set(kept):
        shutil.rmtree(folder / other, ignore_errors=True)


def _inventory(folder: Path) -> Inventory:
    """Of all files. Collective: the ranks share the hashing."""
    names = sorted(path.name for path in folder.iterdir())
    parts = gathered(take_inventory(folder, _share(names)))
    return {name: entry for part in parts for name, entry in part.items()}


def _fault(folder: Path, layout: Layout) -> str | None:
    """What is wrong with a checkpoint, if anything. Collective: the ranks share the hashing."""
    faults = gathered(_fault_in_share(folder, layout))
    return next((fault for fault in faults if fault is not None), None)


def _fault_in_share(folder: Path, layout: Layout) -> str | None:
    marker = read_json(folder / MARKER)
    if marker is None:
        return f"{MARKER}: found none"
    if marker["layout"] != asdict(layout):
        return f"found state of {marker['layout']}, expected {asdict(layout)}"
    names = _share([*marker["files"]])
    fault = find_fault(folder, {name: marker["files"][name] for name in names})
    needed = _needs(folder)
    if fault is None and needed:
        fault = _fault_in_share(folder.parent / needed, layout)
        return fault and f"{needed}, the best before it: {fault}"
    return fault


def _needs(folder: Path) -> str | None:
    """The tag without which this one is of no use, if any."""
    needed: str | None = (read_json(folder / MARKER) or {}).get("needs")
    return needed


def _share(names: Sequence[str]) -> Sequence[str]:
    return names[dist.get_rank() :: dist.get_world_size()]
