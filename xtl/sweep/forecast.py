"""The forecast: device-hours and bytes that a plan will take, before it is run. Pure.

Arithmetic of facts known before the run: FLOPs a token, forward and backward, are
`6 · body + 12 · layers · hidden · length` (Kaplan et al. 2020 without the embeddings, plus
attention); frozen word embeddings cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtl.sweep.lock import Lock, LockedModel
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Shard, Table, TrainSpec
from xtl.tasks.catalogue import DatasetRef

_FORWARD = 1 / 3  # of the FLOPs of forward and backward
_STATE_BYTES = 16  # a trainable parameter under mixed-precision AdamW, resume state included


@dataclass(frozen=True)
class Rates:
    """What a device does: FLOP/s in training, seconds to start a shard's process."""

    flops: float
    start_seconds: float


@dataclass(frozen=True)
class Forecast:
    """Device-hours by stage; bytes at the end and at the peak (`ranks` shards' state included)."""

    device_hours: dict[str, float]
    final_bytes: int
    peak_bytes: int

    @property
    def total_hours(self) -> float:
        return sum(self.device_hours.values())


def forecast(plan: Plan, lock: Lock, rates: Rates, slots: int) -> Forecast:
    """All zero where the lock is provisional: nothing is known of lengths and sizes."""
    hours: dict[str, float] = {}
    for shard in plan.shards.values():
        hours[shard.stage] = hours.get(shard.stage, 0.0) + seconds(shard, lock, rates) / 3600
    artifact = 4 * _trainable(plan, lock.model)
    kept = [shard for shard in plan.shards.values() if _kept(shard, plan.keep)]
    running = 2 * _STATE_BYTES * _trainable(plan, lock.model) * slots
    final = artifact * len(kept)
    return Forecast(hours, final, final + running + 2 * artifact * slots)


def seconds(shard: Shard, lock: Lock, rates: Rates) -> float:
    """Device-seconds of one shard."""
    return _flops(shard, lock) / rates.flops + rates.start_seconds * _starts(shard)


def _starts(shard: Shard) -> int:
    return 1 if shard.stage == "target" else 0  # a chain starts once, by default


def _flops(shard: Shard, lock: Lock) -> float:
    spec = shard.spec
    if isinstance(spec, TrainSpec):
        length = _tokens(spec.data, lock)
        return spec.updates * spec.recipe.batch_size * length * _flops_per_token(lock.model, length)
    return sum(_evaluation_flops(table, lock) for table in _tables(spec))


def _tables(spec: EvaluateSpec) -> list[Table]:
    return [table for _, table in spec.data]


def _evaluation_flops(table: Table, lock: Lock) -> float:
    length = _tokens(table, lock)
    return _FORWARD * table.rows * length * _flops_per_token(lock.model, length)


def _flops_per_token(model: LockedModel, length: float) -> float:
    body = model.parameters - model.embedding_parameters
    return 6 * body + 12 * model.layers * model.hidden * length


def _tokens(table: Table, lock: Lock) -> float:
    return lock.find(DatasetRef(table.repo, table.config, table.split)).mean_tokens


def _trainable(plan: Plan, model: LockedModel) -> int:
    specs = [shard.spec for shard in plan.shards.values()]
    frozen = any(isinstance(spec, TrainSpec) and spec.freeze for spec in specs)
    return model.parameters - (model.embedding_parameters if frozen else 0)


def _kept(shard: Shard, keep: str) -> bool:
    if shard.stage == "evaluate" or keep == "nothing":
        return False
    return keep == "all" or shard.stage == "target"
