"""Cells: places in the design. They point at shards; the analysis joins on them."""

from __future__ import annotations

from xtl.tasks.settings import Frozen


def recipe_name(epochs: int, learning_rate: float) -> str:
    """`5×1e-05`."""
    return f"{epochs}×{learning_rate:g}"


class Cell(Frozen):
    """One (task, size, arm, seed, target); `target` is None for the intermediate checkpoint itself.

    `examples` is the resolved count. `recipe` is the target's where it is one of the strong
    control's (see `recipe_name`), "" where it is the manifest's own. `checkpoint` is the shard
    whose artifact is evaluated, None for the public model untouched. `evaluations` maps a set's
    name to its shard.
    """

    task: str
    size: str
    examples: int
    arm: str
    seed: int
    target: str | None
    recipe: str = ""
    intermediate: str | None
    checkpoint: str | None
    evaluations: tuple[tuple[str, str], ...]
