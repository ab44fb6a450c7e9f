"""How many rows there are to judge checkpoints by, told before anything is submitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xtl.errors import UserError
from xtl.launch.tokens import Tokens
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.plan import Plan
from xtl.sweep.shard import TrainSpec

if TYPE_CHECKING:
    from xtl.tasks.pools import PoolRequest


def held_out_rows(plan: Plan, tokens: Tokens, source: str) -> dict[str, tuple[int, int]]:
    """Task → the fewest and the most rows that a training which selects has of it to judge by.

    Of pools that the cache has, as they are once `tokens.missing` finds none; `source` names the
    manifest. UserError where a training would have none, as every passage is too large.
    """
    from xtl.tasks.pools import open_pool

    found: dict[str, list[int]] = {}
    arms: dict[tuple[PoolRequest, int, int], str] = {}
    for asked, arm in _asked(plan, tokens):
        arms.setdefault(asked, arm)
    for (request, count, seed), arm in arms.items():
        pool = open_pool(tokens.mirror.root, request)
        rows = pool.rows_to_judge_by(count, seed)
        if not rows:
            raise UserError(
                f"{source}: arms.{arm}.selection.rows: found {count}, and none of the "
                f"{pool.rows:,} rows of {request.name} that can be held out (replicate {seed}), "
                "expected more: passages are held out whole, with all their questions"
            )
        found.setdefault(request.name, []).append(rows)
    return {task: (min(rows), max(rows)) for task, rows in found.items()}


def told(rows: dict[str, tuple[int, int]]) -> str:
    """`held-out rows that checkpoints are judged by: 98–100 of squad-v1.1`; "" for none."""
    named = [
        f"{low:,}{f'–{high:,}' if high > low else ''} of {task}"
        for task, (low, high) in rows.items()
    ]
    return f"held-out rows that checkpoints are judged by: {', '.join(named)}" if named else ""


def _asked(plan: Plan, tokens: Tokens) -> Iterator[tuple[tuple[PoolRequest, int, int], str]]:
    """(pool, how many rows to hold out, by which seed), and an arm that asks for it."""
    for cell in plan.cells:
        spec = plan.shards[cell.checkpoint].spec if cell.checkpoint else None
        if isinstance(spec, TrainSpec) and spec.held_out:
            for part in spec.parts:
                if part.family != MASKED_LM:
                    asked = tokens.of_part(spec, part), spec.held_out, spec.subset_seed
                    yield asked, cell.arm
