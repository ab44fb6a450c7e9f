"""Abilities: which shards of a plan can be run, and not only planned and prepared."""

from __future__ import annotations

from xtl.errors import UserError
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Spec, TrainSpec
from xtl.tasks.families import is_known


def can_run(spec: Spec) -> bool:
    if isinstance(spec, TrainSpec):
        return len(spec.parts) == 1 and is_known(spec.parts[0].family)
    return is_known(spec.family)


def require_runnable(plan: Plan) -> None:
    """UserError where a shard is of a kind that is planned and prepared, and not run yet."""
    for shard in plan.shards.values():
        if not can_run(shard.spec):
            raise UserError(
                f"{shard.name}: found {_kind(shard.spec)}, which this version plans and prepares "
                "but does not run, expected training on one task of questions on passages"
            )


def _kind(spec: Spec) -> str:
    if not isinstance(spec, TrainSpec):
        return f"an evaluation of the family {spec.family}"
    if len(spec.parts) > 1:
        return f"training on {' and '.join(part.task for part in spec.parts)} together"
    return f"training on the family {spec.parts[0].family}"
