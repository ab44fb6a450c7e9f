"""The loss of one shard, update by update, out of the files that its attempts left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xtl.tracking.offline import read_history
from xtl.tracking.record import STEP

LOSS = "train/loss"

Point = tuple[int, float]
"""A step and the loss there, which may be NaN or infinite."""


def read_losses(folder: Path, shard: str) -> list[Point]:
    """Of all attempts together, in the order of steps; `folder` is that of `Tracker`. Empty where
    nothing was logged, as of an evaluation. Also of a run that is still being written."""
    paths = folder.glob(f"wandb/*run-*-{shard}/run-{shard}.wandb")
    return join(_points(path) for path in sorted(paths, key=_begun))


def join(attempts: Iterable[list[Point]]) -> list[Point]:
    """One curve of several, oldest first: a later one counts from the step that it began at."""
    curve: list[Point] = []
    for points in attempts:
        begin = points[0][0] if points else 0
        curve = [point for point in curve if not points or point[0] < begin] + points
    return curve


def _points(path: Path) -> list[Point]:
    rows = read_history(path, (STEP, LOSS))
    return [(int(row[STEP]), row[LOSS]) for row in rows if {STEP, LOSS} <= row.keys()]


def _begun(path: Path) -> str:
    """The time in a folder's name, `offline-run-<time>-<id>` or `run-<time>-<id>`."""
    return path.parent.name.removeprefix("offline-")
