"""Cells: places in the design. They point at shards; the analysis joins on them."""

from __future__ import annotations

from xtl.tasks.settings import Frozen


class Cell(Frozen):
    """One (task, size, arm, seed, target); `target` is None for the intermediate checkpoint itself.

    `examples` is the resolved count. `checkpoint` is the shard whose artifact is evaluated, None
    for the public model untouched. `evaluations` maps a set's name to its shard.
    """

    task: str
    size: str
    examples: int
    arm: str
    seed: int
    target: str | None
    intermediate: str | None
    checkpoint: str | None
    evaluations: tuple[tuple[str, str], ...]
