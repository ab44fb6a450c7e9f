"""What the ranks of fp16's tests do: real arithmetic in half precision, on a CPU too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tests.train import scenes
from tests.train.trainings import Diary, make_job, make_spec
from xtl.data.batches import collate
from xtl.errors import UserError
from xtl.sweep.shard import TrainSpec
from xtl.train import scaling
from xtl.train.building import build
from xtl.train.engine import Engine
from xtl.train.settings import EngineSettings
from xtl.train.update import DivergedError, Updater

HIGH = 20  # powers of two: a scale at which the first updates overflow
LOW = 6


def allow() -> None:
    """DeepSpeed asks a CPU for AVX512-FP16, which is speed: torch computes in halves on any."""
    from deepspeed.accelerator import get_accelerator

    if get_accelerator().device_name() == "cpu":
        get_accelerator().is_fp16_supported = lambda: True


def begin_at(power: int) -> None:
    scaling.SETTINGS["initial_scale_power"] = power


def half_spec(**changes: Any) -> TrainSpec:
    return make_spec(precision="fp16", **changes)


def refusal(root: Path) -> str:
    """What the engine says on this machine, as it is."""
    job = make_job(root, "refused", half_spec(), scenes.SETTINGS)
    try:
        Engine(build(job.spec, job.start_from), job.spec, job.engine)
    except UserError as error:
        return str(error)
    return "nothing"


def lives(root: Path, stages: Sequence[int]) -> dict[int, dict[str, Any]]:
    """For each stage: uninterrupted; and stopped among the skipped updates, then resumed."""
    begin_at(HIGH)
    return {stage: _life(root, stage) for stage in stages}


def _life(root: Path, stage: int) -> dict[str, Any]:
    settings, spec = EngineSettings(dist.get_world_size(), stage, 2), half_spec(updates=9)
    whole = scenes.outcome(make_job(root, f"half-{stage}", spec, settings))
    name = f"half-{stage}-stopped"
    stopped = scenes.outcome(make_job(root, name, spec, settings), Diary(stop_at=2))
    resumed = scenes.outcome(make_job(root, name, spec, settings))
    return {"whole": whole, "stopped": stopped, "resumed": resumed}


def ends(
    root: Path, ways: Sequence[tuple[int, int]], window: int
) -> dict[tuple[int, int], dict[str, Any]]:
    """Of a training without dropout for each (ZeRO stage, micro-batch): masters, norms, scale.

    The scale begins low, where nothing overflows, and rises after `window` updates.
    """
    begin_at(LOW)
    scaling.WINDOW = window
    return {way: _end(root, EngineSettings(dist.get_world_size(), *way)) for way in ways}


def _end(root: Path, settings: EngineSettings) -> dict[str, Any]:
    spec = scenes.parity_spec().model_copy(update={"precision": "fp16"})
    job = make_job(root, "parity", spec, settings)
    engine = Engine(build(spec, job.start_from), spec, settings)
    updater = Updater(engine, spec, settings, scenes.lessons_of(job))
    reports = [updater.take(update, stop=False, save=False) for update in range(spec.updates)]
    masters: dict[str, Tensor] = {name: master.cpu().clone() for name, master in engine.masters()}
    scale = engine._scale.value if engine._scale else 0.0
    engine.close()
    norms = [report.grad_norm for report in reports]
    return {"masters": masters, "norms": norms, "scale": scale}


def exhausted(root: Path, stages: Sequence[int]) -> dict[int, dict[str, Any]]:
    """A gradient that no scale makes small enough, from a scale of 4 on: what each of four
    updates comes to, and whether the weights stayed as they were."""
    begin_at(2)
    return {stage: _exhausted(root, stage) for stage in stages}


def _exhausted(root: Path, stage: int) -> dict[str, Any]:
    settings = EngineSettings(dist.get_world_size(), stage, 8)
    job = make_job(root, "exhausted", half_spec(dropout=0.0), settings)
    engine = Engine(build(job.spec, job.start_from), job.spec, settings)
    updater = Updater(engine, job.spec, settings, scenes.lessons_of(job))
    lesson = scenes.lessons_of(job).of(0)
    before = {name: master.clone() for name, master in engine.masters()}
    said: list[Any] = []
    for update in range(4):
        engine.accumulate(collate(lesson.features[:4], lesson.pad), weight=1e9, last=True)
        try:
            said.append(updater._step(update))
        except DivergedError as error:
            said.append(str(error))
    kept = all(torch.equal(master, before[name]) for name, master in engine.masters())
    rate = engine.learning_rate
    engine.close()
    return {"said": said, "kept": kept, "skipped": engine.skipped, "rate": rate}


def everything(root: Path, stages: Sequence[int]) -> dict[str, Any]:
    """All of it in one process group."""
    ways = [(stage, micro_batch) for stage in stages for micro_batch in (8, 1)]
    seen: dict[str, Any] = {"refused": refusal(root)}
    allow()
    seen |= {
        "lives": lives(root, stages),
        "starts": scenes.masters_at_the_start(root, stages, "fp16"),
        "ends": ends(root, ways, window=1000),
        "risen": ends(root, ways, window=2),
        "exhausted": exhausted(root, stages),
    }
    return seen
