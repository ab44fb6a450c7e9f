"""The forecast: device-hours, bytes and files that a plan will take, before it is run. Pure.

Arithmetic of facts known before the run: FLOPs a token, forward and backward, are
`6 · body + 12 · layers · hidden · length` (Kaplan et al. 2020 without the embeddings, plus
attention); frozen word embeddings cost nothing. Bytes and files are those of `disk`; `correction`
holds the hours against those of shards that are finished.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtl.sweep.bundles import Layout, make_bundles
from xtl.sweep.disk import MODEL_BYTES, disk
from xtl.sweep.lock import Lock, LockedModel
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Part, Shard, Table, TrainSpec
from xtl.tasks.entries import DatasetRef

_FORWARD = 1 / 3  # of the FLOPs of forward and backward


@dataclass(frozen=True)
class Rates:
    """What a device does: FLOP/s in training, seconds to start a job's process."""

    flops: float
    start_seconds: float


@dataclass(frozen=True)
class Forecast:
    """Device-hours by stage, bytes at the end and at the peak, files and folders at the end.

    The peak is an upper bound: the model, all artifacts that wait for their children or are kept,
    and the resume state of as many trainings as can run at once. Files are a rough count, of a
    sweep in which nothing is tried twice.
    """

    device_hours: dict[str, float]
    final_bytes: int
    peak_bytes: int
    inodes: int

    @property
    def total_hours(self) -> float:
        return sum(self.device_hours.values())


def forecast(plan: Plan, lock: Lock, rates: Rates, layout: Layout) -> Forecast:
    """From a provisional lock it is a first guess: published counts and estimated lengths. Of a
    model that xtl does not know, the starts of jobs are all that is counted then."""
    hours: dict[str, float] = {}
    for shard, seconds in work(plan, lock, rates, layout).items():
        stage = plan.shards[shard].stage
        hours[stage] = hours.get(stage, 0.0) + seconds / 3600
    room, model = disk(plan, lock.model, layout), MODEL_BYTES * lock.model.parameters
    return Forecast(hours, model + room.final_bytes, model + room.peak_bytes, room.inodes)


def work(plan: Plan, lock: Lock, rates: Rates, layout: Layout) -> dict[str, float]:
    """Device-seconds by shard. A job's start is its first shard's, and occupies every rank."""
    first = {bundle[0] for bundle in make_bundles(plan, plan.shards, layout.bundling)}
    start = rates.start_seconds * layout.ranks
    return {
        shard.id: _flops(shard, lock) / rates.flops + (start if shard.id in first else 0.0)
        for shard in plan.shards.values()
    }


def _flops(shard: Shard, lock: Lock) -> float:
    spec = shard.spec
    if isinstance(spec, TrainSpec):
        length = _mixed_tokens(spec, lock)
        examples = spec.updates * spec.recipe.batch_size
        return examples * length * _flops_per_token(lock.model, length) + _judging_flops(spec, lock)
    return sum(_evaluation_flops(table, rows, lock) for table, rows in _read(spec))


def _judging_flops(spec: TrainSpec, lock: Lock) -> float:
    """All evaluations of a checkpoint that is selected, as if none ended the training."""
    chosen = spec.selection
    if chosen is None:
        return 0.0
    held_out = [part for part in spec.parts if part.family != MASKED_LM]
    judged = [(part, part.examples) for part in chosen.reported] or [
        (part, chosen.held_out) for part in held_out
    ]
    return chosen.evaluations * sum(
        _FORWARD * rows * length * _flops_per_token(lock.model, length)
        for part, rows in judged
        for length in [_part_tokens(part, lock)]
    )


def _read(spec: EvaluateSpec) -> list[tuple[Table, int]]:
    """The tables that an evaluation reads, and how many rows of each."""
    seen = spec.held_out.after if spec.held_out else 0
    most = spec.examples or max(table.rows for _, table in spec.data)
    return [(table, min(most, table.rows - seen)) for _, table in spec.data]


def _evaluation_flops(table: Table, rows: int, lock: Lock) -> float:
    length = _tokens(table, lock)
    return _FORWARD * rows * length * _flops_per_token(lock.model, length)


def _mixed_tokens(spec: TrainSpec, lock: Lock) -> float:
    """The mean length of an update's examples: parts by weight."""
    total = sum(part.weight for part in spec.parts)
    return sum(part.weight * _part_tokens(part, lock) for part in spec.parts) / total


def _part_tokens(part: Part, lock: Lock) -> float:
    """A mean over its tables, by rows."""
    rows = sum(table.rows for table in part.data) or 1
    return sum(_tokens(table, lock) * table.rows for table in part.data) / rows


def _flops_per_token(model: LockedModel, length: float) -> float:
    body = model.parameters - model.embedding_parameters
    return 6 * body + 12 * model.layers * model.hidden * length


def _tokens(table: Table, lock: Lock) -> float:
    ref = DatasetRef(table.repo, table.config, table.split, table.form, table.part)
    return lock.find(ref).mean_tokens
