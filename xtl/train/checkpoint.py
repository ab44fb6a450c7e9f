"""Resume state: written whole, marked complete, checked before it is believed.

`<folder>/step-000123/` holds DeepSpeed's files of every rank. It counts only with COMPLETE.json
in it, which rank 0 writes last, with size and sha256 of every file. The last two are kept, and the
best so far where a selection asks for it: later ones count only as long as that one is whole.

State of another number of ranks is taken over too, under ZeRO 1 and 2 by way of `universal`; what
cannot be is refused, since to begin again would throw a training away.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist

from xtl.errors import ConfigurationError
from xtl.files import read_json, write_whole
from xtl.train import universal
from xtl.train.distributed import gathered, on_rank_zero
from xtl.train.engine import Engine
from xtl.train.inventory import Inventory, find_fault, take_inventory

MARKER = "COMPLETE.json"
KEPT = 2


class DamagedError(OSError):
    """A checkpoint that was whole once is so no longer."""


@dataclass(frozen=True)
class Layout:
    """What resume state is bound to.

    `start` is the digest of the weights that the training began with: a parent that was trained
    again to other ones leaves its child nothing to go on from.
    """

    ranks: int
    zero_stage: int
    start: str

    def __str__(self) -> str:
        return f"{self.ranks} rank{'s' * (self.ranks > 1)} under ZeRO {self.zero_stage}"


@dataclass(frozen=True)
class Resumed:
    """Our `state` in the checkpoint that was loaded, and what that was saved under (None: there was
    no checkpoint); and what was passed over on the way to it, each with the reason."""

    state: dict[str, Any] | None
    layout: Layout | None
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
    """Write and commit the state after `update` updates. Collective; raises what `fence` raises,
    before it has touched anything: who overtook this attempt comes to the same updates.

    `best` is the update whose state must be kept beside it.
    """
    tag = _tag(update)
    on_rank_zero(lambda: _clear(folder / tag, fence))
    try:
        engine.save(folder, tag, state)
    except Exception:
        with contextlib.suppress(Exception):  # overtaken: it is no longer this attempt's to clear
            _clear(folder / tag, fence)  # a full disk has better use for its room
        raise
    inventory = _inventory(folder / tag)
    needed = None if best in (None, update) else _tag(best)
    on_rank_zero(lambda: _commit(folder, tag, inventory, layout, needed, fence))


def load(engine: Engine, folder: Path, layout: Layout, fence: Callable[[], None]) -> Resumed:
    """Take over the newest checkpoint that is whole and began with the same weights. Collective;
    raises what `fence` raises, where something must be written for it.

    ConfigurationError, on every rank, if `layout` cannot go on from the one it was saved under.
    """
    passed_over: list[str] = []
    for tag in on_rank_zero(lambda: _tags(folder)):
        fault = _fault(folder / tag, layout.start)
        if fault is None:
            return Resumed(*_take_over(engine, folder, tag, layout, fence), tuple(passed_over))
        passed_over.append(f"{tag}: {fault}")
    return Resumed(None, None, tuple(passed_over))


def load_best(
    engine: Engine, folder: Path, update: int, layout: Layout, fence: Callable[[], None]
) -> None:
    """Take over the weights after `update` updates. Collective; DamagedError where they are not
    whole: another attempt passes over what needs them, and makes them again; else as `load`."""
    fault = _fault(folder / _tag(update), layout.start)
    if fault is not None:
        raise DamagedError(f"{folder / _tag(update)}, the best checkpoint: {fault}")
    _take_over(engine, folder, _tag(update), layout, fence)


def _take_over(
    engine: Engine, folder: Path, tag: str, layout: Layout, fence: Callable[[], None]
) -> tuple[dict[str, Any], Layout]:
    """Load what was found whole: our state in it, and what it was saved under. Collective."""
    saved = on_rank_zero(lambda: _saved_under(folder / tag))
    ways_out = (
        f"go on with engine.ranks: {saved.ranks} and engine.zero_stage: {saved.zero_stage}, or "
        f"remove {folder} to begin again"
    )
    if saved.zero_stage != layout.zero_stage or (saved != layout and saved.zero_stage == 3):
        raise ConfigurationError(
            f"{folder / tag}: found state of {saved}, expected one that {layout} can take over: "
            f"{ways_out}"
        )
    if saved == layout or saved.zero_stage == 0:  # where each rank has it all
        return engine.load(folder, tag), saved
    try:
        return universal.load(engine, folder, tag, fence), saved
    except universal.NothingTakenError as error:
        raise ConfigurationError(f"{folder / tag}: {error}: {ways_out}") from error


def _saved_under(folder: Path) -> Layout:
    marker: Any = read_json(folder / MARKER)
    return Layout(**marker["layout"])


def _tag(update: int) -> str:
    return f"step-{update:06}"


def _tags(folder: Path) -> list[str]:
    """Newest first, whole or not."""
    return sorted((path.name for path in folder.glob("step-*")), key=_update, reverse=True)


def _update(tag: str) -> int:
    return int(tag.rpartition("-")[2])


def _clear(folder: Path, fence: Callable[[], None]) -> None:
    fence()
    shutil.rmtree(folder, ignore_errors=True)


def _commit(
    folder: Path, tag: str, inventory: Inventory, layout: Layout, needed: str | None,
    fence: Callable[[], None],
) -> None:  # fmt: skip
    fence()
    files = dict(sorted(inventory.items()))
    marker = {"layout": asdict(layout), "needs": needed, "files": files}
    write_whole(folder / tag / MARKER, json.dumps(marker, indent=1))
    # A later tag is one that was passed over: this training has come a different way since.
    earlier = [each for each in _tags(folder) if _update(each) <= _update(tag)]
    kept = [each for each in earlier if (folder / each / MARKER).is_file()][:KEPT]
    kept += [best for each in kept if (best := _needs(folder / each))]
    for other in set(_tags(folder)) - set(kept):
        shutil.rmtree(folder / other, ignore_errors=True)
    universal.clear(folder)


def _inventory(folder: Path) -> Inventory:
    """Of all files. Collective: the ranks share the hashing."""
    names = sorted(path.name for path in folder.iterdir())
    parts = gathered(take_inventory(folder, _share(names)))
    return {name: entry for part in parts for name, entry in part.items()}


def _fault(folder: Path, start: str) -> str | None:
    """What is wrong with a checkpoint, if anything. Collective: the ranks share the hashing."""
    faults = gathered(_fault_in_share(folder, start))
    return next((fault for fault in faults if fault is not None), None)


def _fault_in_share(folder: Path, start: str) -> str | None:
    marker = read_json(folder / MARKER)
    if marker is None:
        return f"{MARKER}: found none"
    if marker["layout"]["start"] != start:
        return f"found a training that began with {marker['layout']['start']}, expected {start}"
    names = _share([*marker["files"]])
    fault = find_fault(folder, {name: marker["files"][name] for name in names})
    needed = _needs(folder)
    if fault is None and needed:
        fault = _fault_in_share(folder.parent / needed, start)
        return fault and f"{needed}, the best before it: {fault}"
    return fault


def _needs(folder: Path) -> str | None:
    """The tag without which this one is of no use, if any."""
    needed: str | None = (read_json(folder / MARKER) or {}).get("needs")
    return needed


def _share(names: Sequence[str]) -> Sequence[str]:
    return names[dist.get_rank() :: dist.get_world_size()]
