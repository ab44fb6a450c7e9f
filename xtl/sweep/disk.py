"""Bytes and files that a plan takes, or what is left of it. Pure.

Bytes are those of models alone, artifacts and resume state: predictions, logs and W&B's files are
small beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from xtl.sweep.bundles import Layout, make_bundles
from xtl.sweep.lock import LockedModel
from xtl.sweep.plan import Plan
from xtl.sweep.shard import TrainSpec

MODEL_BYTES = 4
"""A parameter in the mirror or in an artifact, which are in fp32."""
_STATE_BYTES = 16  # a trainable parameter under mixed-precision AdamW, in a checkpoint
_CHECKPOINTS = 3  # two are kept while the next one is written, and the best where one is selected

# Files and folders, each an inode, as a sweep without a retry leaves them.
_SHARD_FILES = 8  # folders: shard, attempts, attempt; shard, claim, heartbeat, end, result.json
_ARTIFACT_FILES = 10  # the folder, config, tokenizer (3), weights (4), digest
_PREDICTIONS_FILES = 1
_RUN_FILES = 3  # W&B: two folders and the run's file
_JOB_FILES = 6  # two folders; submission, job, closed; submitit's pickle
_RANK_FILES = 3  # submitit: log.out, log.err, result
_CHECKPOINT_FILES = 4  # two folders, our state, the marker
_CHECKPOINT_RANK_FILES = 2  # DeepSpeed: model states, optimiser states


@dataclass(frozen=True)
class Disk:
    """Artifacts and resume state, in bytes: those that stay when all is done, and an upper bound of
    those at once until then. `inodes`: the files and folders that come to what is there, less
    artifacts that go; `passing_inodes`: resume state's, at most, at once."""

    final_bytes: int
    peak_bytes: int
    inodes: int
    passing_inodes: int


def disk(
    plan: Plan,
    model: LockedModel,
    layout: Layout,
    done: Collection[str] = (),
    there: Collection[str] = (),
) -> Disk:
    """Of what is left, where shards are `done` and the artifacts of some are `there`.

    At the peak there are all artifacts that wait for their children or are kept, and the resume
    state of as many trainings as can run at once.
    """
    artifact, kept = MODEL_BYTES * _trainable(plan, model), _kept(plan)
    left = _left(plan, set(done), set(there))
    running = min(layout.slots, sum(plan.shards[shard].stage != "evaluate" for shard in left))
    states = _checkpoints(plan) * running
    most = _most_artifacts(plan, layout.slots, left, set(there))
    files = _CHECKPOINT_FILES + _CHECKPOINT_RANK_FILES * layout.ranks
    going = len(set(there) - kept)
    return Disk(
        final_bytes=artifact * len(kept & (left | set(there))),
        peak_bytes=artifact * most + states * checkpoint_bytes(plan, model),
        inodes=_inodes(plan, layout, left) - going * _ARTIFACT_FILES,
        passing_inodes=states * files,
    )


def checkpoint_bytes(plan: Plan, model: LockedModel) -> int:
    """Of the resume state of one training, once."""
    return _STATE_BYTES * _trainable(plan, model)


def _left(plan: Plan, done: set[str], there: set[str]) -> set[str]:
    """What is not done, and parents of that whose artifact has gone: they are made again."""
    left = plan.shards.keys() - done
    for shard in reversed(list(plan.shards.values())):
        if shard.id in left:
            left |= {parent for parent in shard.parents if parent not in there}
    return left


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


def _most_artifacts(plan: Plan, slots: int, left: set[str], there: set[str]) -> int:
    """Artifacts at once: on a walk in the plan's order, with those that other slots hold too."""
    kept = _kept(plan)
    shards = [shard for shard in plan.shards.values() if shard.id in left]
    waiting = Counter(parent for shard in shards for parent in shard.parents)
    staying, passing = len(kept & there), there - kept  # artifacts so far
    most, most_passing, trainings = staying + len(passing), len(passing), len(there - left)
    for shard in shards:
        if shard.stage != "evaluate":
            trainings += 1
            if shard.id in kept:
                staying += shard.id not in there
            else:
                passing.add(shard.id)
        most = max(most, staying + len(passing))
        most_passing = max(most_passing, len(passing))
        waiting.subtract(shard.parents)
        passing -= {done for done in (shard.id, *shard.parents) if not waiting[done]}
    return min(trainings, most + (slots - 1) * most_passing)


def _inodes(plan: Plan, layout: Layout, left: set[str]) -> int:
    """Of shards that are left."""
    jobs = len(make_bundles(plan, left, layout.bundling))
    evaluations = sum(plan.shards[shard].stage == "evaluate" for shard in left)
    return (
        len(left) * (_SHARD_FILES + _RUN_FILES)
        + len(_kept(plan) & left) * _ARTIFACT_FILES
        + evaluations * _PREDICTIONS_FILES
        + jobs * (_JOB_FILES + _RANK_FILES * layout.ranks)
    )
