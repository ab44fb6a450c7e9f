"""Trainings that another number of ranks takes over, or refuses to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tests.train import mixed, scenes
from tests.train.damage import cut, loaded
from tests.train.trainings import Diary, make_job
from xtl.errors import ConfigurationError
from xtl.sweep.shard import Precision
from xtl.train import checkpoint
from xtl.train.building import build
from xtl.train.distributed import on_rank_zero
from xtl.train.engine import Engine
from xtl.train.settings import EngineSettings
from xtl.train.trainer import TrainJob, train
from xtl.train.update import Updater

BEST, SAVED, UPDATES = 2, 3, 7
"""Updates after which a training is at its best, is saved, and ends."""

LEFT = "universal-left"
"""What a conversion has left that was killed."""

Masters = dict[str, Tensor]


class Case(NamedTuple):
    """A training, without dropout."""

    kind: str
    stage: int
    precision: Precision

    def __str__(self) -> str:
        return f"{self.kind}, ZeRO {self.stage}, {self.precision}"


class State(NamedTuple):
    """Of an engine: masters and moments by parameter, each optimiser group's steps, and the rate
    of the next update."""

    masters: Masters
    moments: dict[str, Masters]
    steps: list[float]
    learning_rate: float


class Ending(NamedTuple):
    """Of a training: its state once it was saved or loaded, the weights that were kept as its best
    ones, the losses that led there or away, and what lay beside its checkpoints after each."""

    state: State
    best: Masters
    losses: list[float]
    beside: tuple[list[str], ...] = ()


def saved(root: Path, cases: Sequence[Case]) -> dict[Case, Ending]:
    """Each saved by so many ranks, which go on to the end."""
    return {case: _saved(_job(root, case, f"by {dist.get_world_size()}")) for case in cases}


def taken_over(root: Path, cases: Sequence[Case], ranks: int) -> dict[Case, Ending]:
    """Each from where `ranks` ranks saved it, to the end."""
    return {case: _taken_over(root, case, ranks) for case in cases}


def both(
    root: Path, cases: Sequence[Case], ranks: int
) -> tuple[dict[Case, Ending], dict[Case, Ending]]:
    """Those of these ranks, and those that `ranks` ranks left them."""
    return saved(root, cases), taken_over(root, cases, ranks)


def _job(root: Path, case: Case, name: str) -> TrainJob:
    frozen = ("word_embeddings",) if case.kind == "span-qa" else ()
    spec = mixed.mixed_spec(
        mixed.KINDS[case.kind], precision=case.precision, updates=UPDATES, freeze=frozen
    )
    spec = spec.model_copy(update={"recipe": scenes.parity_spec().recipe})
    settings = EngineSettings(dist.get_world_size(), case.stage, 2)
    return mixed.mixed_job(root, f"{case} {name}", spec, settings)


def _engine(job: TrainJob) -> tuple[Engine, Updater]:
    engine = Engine(build(job.spec, job.start_from), job.spec, job.engine)
    return engine, Updater(engine, job.spec, job.engine, scenes.lessons_of(job))


def _losses(updater: Updater, updates: range) -> list[float]:
    return [updater.take(update, stop=False, save=False).loss for update in updates]


def _save(engine: Engine, job: TrainJob, losses: Sequence[float]) -> None:
    """The losses are the state that is ours."""
    checkpoint.save(
        engine, job.checkpoints, len(losses), {"losses": [*losses]}, job.layout,
        fence=lambda: None, best=BEST,
    )  # fmt: skip


def _saved(job: TrainJob) -> Ending:
    engine, updater = _engine(job)
    losses = _losses(updater, range(BEST))
    _save(engine, job, losses)
    best = _masters(engine)
    losses += _losses(updater, range(BEST, SAVED))
    _save(engine, job, losses)
    state = _state(engine)
    losses += _losses(updater, range(SAVED, UPDATES))
    engine.close()
    return Ending(state, best, losses)


def _taken_over(root: Path, case: Case, ranks: int) -> Ending:
    source = _job(root, case, f"by {ranks}").checkpoints
    job = _job(root, case, f"by {ranks}, taken over by {dist.get_world_size()}")
    on_rank_zero(partial(_copied, source, job.checkpoints))
    engine, updater = _engine(job)
    resumed = checkpoint.load(engine, job.checkpoints, job.layout, fence=lambda: None)
    assert resumed.state is not None
    state, losses = _state(engine), [*resumed.state["losses"]]
    beside = _beside(job.checkpoints)
    losses += _losses(updater, range(SAVED, UPDATES))
    on_rank_zero(lambda: (job.checkpoints / LEFT).mkdir(exist_ok=True))
    _save(engine, job, losses)
    beside_later = _beside(job.checkpoints)
    checkpoint.load_best(engine, job.checkpoints, BEST, job.layout, fence=lambda: None)
    best = _masters(engine)
    engine.close()
    return Ending(state, best, losses, (beside, beside_later))


def _copied(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder)
    (folder / LEFT).mkdir()


def _beside(folder: Path) -> list[str]:
    return on_rank_zero(lambda: sorted(path.name for path in folder.iterdir() if path.is_dir()))


def _state(engine: Engine) -> State:
    moments = {name: dict(_moments(engine, name)) for name in ("exp_avg", "exp_avg_sq")}
    steps = [float(state["step"]) for state in engine._engine.basic_optimizer.state.values()]
    return State(_masters(engine), moments, steps, engine.learning_rate)


def _masters(engine: Engine) -> Masters:
    return {name: master.clone() for name, master in engine.masters()}


def _moments(engine: Engine, kind: str) -> Mapping[str, Tensor]:
    """Those of Adam that are called `kind`, whole, by parameter."""
    optimizer, copies = engine._engine.basic_optimizer, engine._unpartitioned_masters()
    found = {}
    for name, parameter in engine._trainable():
        own = optimizer.state.get(copies.get(parameter, parameter))  # ZeRO 0
        found[name] = own[kind].clone() if own else _put_together(optimizer, parameter, kind)
    return found


def _put_together(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, kind: str) -> Tensor:
    """A parameter's moments, of which each rank has what is in its part of a flat group."""
    whole, fragment = torch.zeros(parameter.numel()), vars(parameter)["_hp_mapping"]
    if fragment is not None:
        (flat,) = optimizer.param_groups[fragment.param_group_index]["params"]
        here, there = fragment.get_hp_fragment_address(), fragment.lp_fragment_address
        part = optimizer.state[flat][kind].narrow(0, here.start, here.numel)
        whole.narrow(0, there.start, there.numel).copy_(part)
    dist.all_reduce(whole)
    return whole


# -- whole trainings ---------------------------------------------------------------------------
def stopped(root: Path) -> dict[str, Any]:
    """A training that ends, and that is stopped: under ZeRO 2, and under ZeRO 3 the latter. Another
    is saved with no update taken."""
    ranks = dist.get_world_size()
    two, three = (EngineSettings(ranks, stage, micro_batch=2) for stage in (2, 3))
    spec = scenes.parity_spec()
    seen = {"whole": scenes.outcome(make_job(root, "whole", spec, two))}
    for name, settings in {"stopped": two, "zero 3": three}.items():
        job = make_job(root, name, spec, settings)
        seen[name] = scenes.outcome(job, Diary(stop_at=SAVED))
    job = make_job(root, "nothing taken", spec, two)
    engine, _ = _engine(job)
    _save(engine, job, losses=[0.0] * BEST)
    engine.close()
    return seen


def resumed(root: Path) -> dict[str, Any]:
    """What other ranks make of them; the one that they can go on from last."""
    ranks, spec = dist.get_world_size(), scenes.parity_spec()
    jobs = {
        "zero 3": make_job(root, "zero 3", spec, EngineSettings(ranks, 3, 2)),
        "other stage": make_job(root, "stopped", spec, EngineSettings(ranks, 1, 2)),
        "nothing taken": make_job(root, "nothing taken", spec, EngineSettings(ranks, 2, 2)),
    }
    seen: dict[str, Any] = {name: _refused(job) for name, job in jobs.items()}
    seen["torn"] = _torn(make_job(root, "stopped", spec, EngineSettings(ranks, 2, 2)), root)
    seen["resumed"] = scenes.outcome(make_job(root, "stopped", spec, EngineSettings(ranks, 2, 2)))
    return seen


def _refused(job: TrainJob) -> str:
    try:
        train(job, Diary())
    except ConfigurationError as error:
        return str(error).replace(str(job.checkpoints), "…")
    return "nothing"


def _torn(job: TrainJob, root: Path) -> tuple[str | None, tuple[str, ...]]:
    """What is loaded where a part of its only checkpoint is cut short."""
    folder = root / "torn"
    on_rank_zero(partial(shutil.copytree, job.checkpoints, folder))
    on_rank_zero(lambda: cut(next(folder.glob("step-*/*rank_1*"))))
    engine, _ = _engine(job)
    seen = loaded(engine, folder, job.layout)
    engine.close()
    return seen
