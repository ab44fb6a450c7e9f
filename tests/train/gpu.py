"""What ranks do on GPUs. Nothing here is a GPU's alone: it runs, and means less, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist

from tests.evaluate.checkpoints import make_job as make_evaluation
from tests.train import half, mixed, scenes
from tests.train.trainings import Diary, make_job, make_rows, make_spec
from xtl.evaluate.evaluator import evaluate
from xtl.sweep.shard import Precision
from xtl.train.distributed import compute_deterministically
from xtl.train.settings import EngineSettings
from xtl.train.trainer import TrainJob

PRECISIONS: tuple[Precision, ...] = ("bf16", "fp16", "fp32")
STAGES = (0, 1, 2, 3)

Way = tuple[Precision, int]
"""A precision and a ZeRO stage."""


def lives(root: Path, deterministic: bool, ways: Sequence[Way]) -> dict[Way, dict[str, Any]]:
    """Of each way: a training, again, and stopped and resumed; in fp16 with updates skipped."""
    if deterministic:
        compute_deterministically()
    half.allow()
    half.begin_at(half.HIGH)
    return {way: _life(root, *way) for way in ways}


def _life(root: Path, precision: Precision, stage: int) -> dict[str, Any]:
    settings = EngineSettings(dist.get_world_size(), stage, 2)
    spec = make_spec(precision=precision, updates=9)

    def job(name: str) -> TrainJob:
        return make_job(root, f"{precision}-{stage}-{name}", spec, settings)

    seen = {"whole": scenes.outcome(job("whole")), "again": scenes.outcome(job("again"))}
    scenes.outcome(job("stopped"), Diary(stop_at=5))
    return seen | {"resumed": scenes.outcome(job("stopped"))}


def families(root: Path) -> dict[str, Any]:
    """Several tasks at once, deterministically: whole, and stopped and resumed."""
    compute_deterministically()
    spec, settings = mixed.mixed_spec(), EngineSettings(dist.get_world_size(), 1, 2)
    whole = scenes.outcome(mixed.mixed_job(root, "families", spec, settings))
    scenes.outcome(mixed.mixed_job(root, "families-stopped", spec, settings), Diary(stop_at=5))
    resumed = scenes.outcome(mixed.mixed_job(root, "families-stopped", spec, settings))
    return {"whole": whole, "resumed": resumed}


def starts(root: Path) -> dict[Precision, dict[int, bool]]:
    """Whether masters are the file's weights."""
    half.allow()
    return {each: scenes.masters_at_the_start(root, STAGES, each) for each in PRECISIONS}


def scores(root: Path, artifact: Path) -> dict[Precision, list[list[Any]]]:
    """The same checkpoint asked twice in each precision: ids, texts and scores."""
    compute_deterministically()
    return {each: [_scores(artifact, each) for _ in range(2)] for each in PRECISIONS}


def _scores(artifact: Path, precision: Precision) -> list[Any]:
    rows = {"en": make_rows()}
    job = make_evaluation(artifact, rows, precision=precision, head_task="who-where")
    said = evaluate(job, lambda done, total: None, lambda: False)
    assert said is not None
    return [(each.example_id, each.text, each.score) for each in said.predictions]
