"""What the ranks of a test do. Each scene runs on every rank and returns plain values."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from tests.train.trainings import Diary, make_job, make_spec
from xtl.data.batches import Indices, collate
from xtl.sweep.shard import Precision, TrainSpec
from xtl.train.building import build, vocabulary
from xtl.train.distributed import agree, on_rank_zero
from xtl.train.engine import Engine
from xtl.train.lessons import Lessons
from xtl.train.settings import EngineSettings
from xtl.train.trainer import TrainJob, train
from xtl.train.update import DivergedError, Updater

SETTINGS = EngineSettings(ranks=2, zero_stage=1, micro_batch=2)
EACH_UPDATE = EngineSettings(ranks=2, zero_stage=1, micro_batch=2, checkpoint_seconds=0)


class Overtaken(Exception):  # noqa: N818 - what happened
    """Raised by a fence."""


def outcome(job: TrainJob, diary: Diary | None = None) -> dict[str, Any]:
    """A training's outcome as plain values, with what its hooks were told."""
    diary = diary or Diary()
    return asdict(train(job, diary)) | {"values": diary.values}


def life_of_a_training(root: Path) -> dict[str, Any]:
    """Uninterrupted; again; stopped and resumed; all in one process, one after the other."""
    spec = make_spec()
    first = dist.get_rank() == 0
    seen: dict[str, Any] = {
        "agreed": (agree(first), agree(False), on_rank_zero(lambda: f"rank {dist.get_rank()}")),
        "whole": outcome(make_job(root, "whole", spec, SETTINGS)),
        "again": outcome(make_job(root, "again", spec, SETTINGS)),
        "stopped": outcome(make_job(root, "stopped", spec, SETTINGS), Diary(stop_at=3)),
        "resumed": outcome(make_job(root, "stopped", spec, SETTINGS)),
    }
    seen["groups"] = len(dist.distributed_c10d._world.pg_map)
    seen["engines"] = sum(type(each).__name__ == "DeepSpeedEngine" for each in gc.get_objects())
    before = _tensors()
    outcome(make_job(root, "zero 3", spec, EngineSettings(ranks=2, zero_stage=3, micro_batch=2)))
    seen["left by ZeRO 3"] = _left(before)
    child = make_job(root, "child", make_spec(task="other"), SETTINGS, root / "whole" / "artifact")
    seen["child"] = outcome(child)
    saved = Diary(stop_at=4)
    seen["saved often"] = outcome(make_job(root, "torn", spec, EACH_UPDATE), saved)
    seen["tags"] = sorted(path.name for path in (root / "torn" / "checkpoints").glob("step-*"))
    _truncate(root / "torn" / "checkpoints" / "step-000004")
    seen["fallen back"] = outcome(make_job(root, "torn", spec, SETTINGS))
    return seen


def _truncate(tag: Path) -> None:
    if dist.get_rank() == 0:
        victim = next(tag.glob("*rank_1*optim_states.pt"))
        victim.write_bytes(victim.read_bytes()[:-1])
    dist.barrier()


def failures(root: Path) -> dict[str, str]:
    """How trainings that cannot end well end, on this rank."""
    seen = {}
    fenced = make_job(root, "fenced", make_spec(updates=2), EACH_UPDATE)
    seen["fence"] = _raised(fenced, Diary(on_fence=overtaken))
    wild = make_spec(learning_rate=1e30, updates=4, clip_norm=0.0)
    seen["bf16"] = _raised(make_job(root, "bf16", wild, SETTINGS), Diary())
    wild = wild.model_copy(update={"precision": "fp32"})
    seen["fp32"] = _raised(make_job(root, "fp32", wild, SETTINGS), Diary())
    return seen


def overtaken() -> None:
    raise Overtaken("attempt 2 has it")


def _raised(job: TrainJob, diary: Diary) -> str:
    try:
        train(job, diary)
    except (Overtaken, DivergedError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def parity_spec() -> TrainSpec:
    """fp32 without dropout. Adam's epsilon is large: it would blow up the rounding of gradients
    that are zero in theory, as those of key biases are."""
    spec = make_spec(dropout=0.0, precision="fp32")
    recipe = spec.recipe.model_copy(update={"adam_epsilon": 1e-3, "clip_norm": 0.5})
    return spec.model_copy(update={"recipe": recipe})


def engines(root: Path, ranks: int, ways: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Masters after a training without dropout for each (ZeRO stage, micro-batch), and whether
    those of each stage in bf16 start as they should."""
    ends = [_masters(root, ranks, stage, micro_batch) for stage, micro_batch in ways]
    return {"ends": ends, "starts": masters_at_the_start(root, sorted({way[0] for way in ways}))}


def _tensors() -> int:
    """How many there are in this process."""
    gc.collect()
    return sum(issubclass(type(each), Tensor) for each in gc.get_objects())


def _left(before: int) -> int:
    """Tensors more than there were. gloo's threads may let go of theirs a moment later."""
    limit = time.monotonic() + 5
    while (left := _tensors() - before) > 0 and time.monotonic() < limit:
        time.sleep(0.1)
    return left


def _masters(root: Path, ranks: int, stage: int, micro_batch: int) -> dict[str, Tensor]:
    settings = EngineSettings(ranks, stage, micro_batch)
    job = make_job(root, f"{ranks}-{stage}-{micro_batch}", parity_spec(), settings)
    engine, updater = _prepared(job)
    for update in range(job.spec.updates):
        updater.take(update, stop=False, save=False)
    masters = {name: master.cpu().clone() for name, master in engine.masters()}
    engine.close()
    return masters


def _prepared(job: TrainJob) -> tuple[Engine, Updater]:
    engine = Engine(build(job.spec, job.start_from), job.spec, job.engine)
    return engine, Updater(engine, job.spec, job.engine, lessons_of(job))


def lessons_of(job: TrainJob) -> Lessons:
    return Lessons(job.spec, job.pools, partial(vocabulary, job.start_from))


def plain_torch(root: Path) -> dict[str, Tensor]:
    """That of `engines` in bare torch."""
    return in_bare_torch(make_job(root, "plain", parity_spec(), EngineSettings(1, 0, 8)))


def in_bare_torch(job: TrainJob) -> dict[str, Tensor]:
    """Masters of the same training in bare torch: one batch an update, its loss a mean over the
    batch's targets. For seven updates."""
    recipe, lessons = job.spec.recipe, lessons_of(job)
    model = build(job.spec, job.start_from).train()
    trained = [each for each in model.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in trained if each.ndim > 1], "weight_decay": 0.01},
        {"params": [each for each in trained if each.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, eps=recipe.adam_epsilon)
    schedule = LambdaLR(optimizer, lambda update: update if update < 2 else (7 - update) / 6)
    for update in range(7):
        lesson = lessons.of(update)
        batch = collate(lesson.features, lesson.pad)
        arrays = (batch.input_ids, batch.mask, batch.labels)
        loss, _ = model(*(torch.from_numpy(array) for array in arrays), lesson.number)
        (loss / TARGETS[job.spec.parts[lesson.number].family](batch.labels)).backward()
        torch.nn.utils.clip_grad_norm_(trained, recipe.clip_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {name: each.detach() for name, each in model.named_parameters() if each.requires_grad}


TARGETS: dict[str, Callable[[Indices], int]] = {
    "span-qa": len,
    "sentence-pair": len,
    "multiple-choice": lambda labels: int(labels[:, 1].sum()),  # one of each example's is right
    "tagging": lambda labels: int((labels >= 0).sum()),
    "masked-lm": lambda labels: int((labels >= 0).sum()),
}
"""How many targets a batch's labels are of, by family."""


def masters_at_the_start(
    root: Path, stages: Sequence[int], precision: Precision = "bf16"
) -> dict[int, bool]:
    """Whether the engine's masters are the file's weights, exactly, and Adam took no step."""
    exact = {}
    for stage in stages:
        settings = EngineSettings(dist.get_world_size(), stage, 2)
        job = make_job(root, "start", make_spec(precision=precision), settings)
        model = build(job.spec, job.start_from)
        weights = {name: each.detach().clone() for name, each in model.named_parameters()}
        engine = Engine(model, job.spec, job.engine)
        untouched = not engine._engine.basic_optimizer.state
        exact[stage] = untouched and all(
            torch.equal(master.cpu(), weights[name]) for name, master in engine.masters()
        )
        engine.close()
    return exact
