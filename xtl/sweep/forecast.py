"""The forecast: device-hours, bytes and files that a plan will take, before it is run. Pure.

Arithmetic of facts known before the run: FLOPs a token, forward and backward, are
`6 · body + 12 · layers · hidden · length` (Kaplan et al. 2020 without the embeddings, plus
attention); frozen word embeddings cost nothing. Bytes are those of models alone: predictions, logs
and W&B's files are small beside them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from xtl.sweep.bundles import Bundling, make_bundles
from xtl.sweep.lock import Lock, LockedModel
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Part, Shard, Table, TrainSpec
from xtl.tasks.entries import DatasetRef

_FORWARD = 1 / 3  # of the FLOPs of forward and backward
_STATE_BYTES = 16  # a trainable parameter under mixed-precision AdamW, in a checkpoint
_CHECKPOINTS = 3  # two are kept while the next one is written, and the best where one is selected
_FP32_BYTES = 4  # a parameter in the mirror or in an artifact

# Files and folders, each an inode, as a sweep without a retry leaves them.
_SHARD_FILES = 8  # folders: shard, attempts, attempt; shard, claim, heartbeat, end, result.json
_ARTIFACT_FILES = 10  # the folder, config, tokenizer (3), weights (4), digest
_PREDICTIONS_FILES = 1
_RUN_FILES = 3  # W&B: two folders and the run's file
_JOB_FILES = 6  # two folders; submission, job, closed; submitit's pickle
_RANK_FILES = 3  # submitit: log.out, log.err, result


@dataclass(frozen=True)
class Rates:
    """What a device does: FLOP/s in training, seconds to start a job's process."""

    flops: float
    start_seconds: float


@dataclass(frozen=True)
class Layout:
    """How a plan is laid out over jobs: a job's ranks, jobs at once, which shards share a job."""

    ranks: int
    slots: int
    bundling: Bundling


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
    trainable = _trainable(plan, lock.model)
    artifact, model = _FP32_BYTES * trainable, _FP32_BYTES * lock.model.parameters
    running = _checkpoints(plan) * _STATE_BYTES * trainable * layout.slots
    final = model + artifact * len(_kept(plan))
    peak = model + artifact * _most_artifacts(plan, layout.slots) + running
    return Forecast(hours, final, peak, _inodes(plan, layout))


def checkpoint_bytes(plan: Plan, model: LockedModel) -> int:
    """Of the resume state of one training, once."""
    return _STATE_BYTES * _trainable(plan, model)


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


def _checkpoints(plan: Plan) -> int:
    """Of one training, at most."""
    specs = (shard.spec for shard in plan.shards.values())
    return _CHECKPOINTS + any(isinstance(spec, TrainSpec) and spec.selection for spec in specs)


def _trainable(plan: Plan, model: LockedModel) -> int:
    specs = [shard.spec for shard in plan.shards.values()]
    frozen = any(isinstance(spec, TrainSpec) and spec.freeze for spec in specs)
    return model.parameters - (model.embedding_parameters if frozen else 0)


def _kept(plan: Plan) -> set[str]:
    """Trainings whose artifacts are there at the end."""
    stages = {"all": ("intermediate", "target"), "targets": ("target",)}.get(plan.keep, ())
    return {shard.id for shard in plan.shards.values() if shard.stage in stages}


def _most_artifacts(plan: Plan, slots: int) -> int:
    """Artifacts at once: on a walk in the plan's order, with those that other slots hold too."""
    kept = _kept(plan)
    waiting = Counter(parent for shard in plan.shards.values() for parent in shard.parents)
    staying, passing = 0, set[str]()  # artifacts so far
    most = most_passing = trainings = 0
    for shard in plan.shards.values():
        if shard.stage != "evaluate":
            trainings += 1
            if shard.id in kept:
                staying += 1
            else:
                passing.add(shard.id)
        most = max(most, staying + len(passing))
        most_passing = max(most_passing, len(passing))
        waiting.subtract(shard.parents)
        passing -= {done for done in (shard.id, *shard.parents) if not waiting[done]}
    return min(trainings, most + (slots - 1) * most_passing)


def _inodes(plan: Plan, layout: Layout) -> int:
    jobs = len(make_bundles(plan, plan.shards, layout.bundling))
    evaluations = sum(shard.stage == "evaluate" for shard in plan.shards.values())
    return (
        len(plan.shards) * (_SHARD_FILES + _RUN_FILES)
        + len(_kept(plan)) * _ARTIFACT_FILES
        + evaluations * _PREDICTIONS_FILES
        + jobs * (_JOB_FILES + _RANK_FILES * layout.ranks)
    )
