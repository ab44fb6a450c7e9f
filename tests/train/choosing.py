"""Trainings that are judged as they go, that end early, and whose best checkpoint is damaged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch.distributed as dist

from tests.tasks.pools import pool_of
from tests.tasks.records import question
from tests.train import mixed, scenes
from tests.train.trainings import Diary, make_job, make_part, make_rows, make_spec
from xtl.data.batches import update_examples
from xtl.data.subsets import ranking, row_digests
from xtl.sweep.shard import Selection, TrainSpec
from xtl.train.building import build
from xtl.train.engine import Engine
from xtl.train.mixture import examples_seed
from xtl.train.selection import Validation, Validator, validation_sets
from xtl.train.settings import EngineSettings
from xtl.train.trainer import TrainJob
from xtl.train.update import DivergedError, Updater

UPDATES, EVALUATIONS, PATIENCE = 14, 7, 2
BATCH, HELD_OUT, TRAINED = 4, 12, 56
"""A training is one pass over 56 of 68 rows, and judged after every second update."""

TURN = 6
"""The update from which on a training learns the opposite of what the held-out rows ask."""


def choosing_spec(patience: int | None = None, **changes: Any) -> TrainSpec:
    selection = Selection(evaluations=EVALUATIONS, held_out=HELD_OUT, patience=patience)
    spec = make_spec(**{"learning_rate": 0.01, "selection": selection, **changes})
    recipe = spec.recipe.model_copy(update={"batch_size": BATCH})
    part = make_part("who-where", examples=TRAINED)
    return spec.model_copy(update={"parts": (part,), "updates": UPDATES, "recipe": recipe})


def exact_spec() -> TrainSpec:
    """Of which any number of ranks makes the same to rounding: fp32 without dropout."""
    return choosing_spec(PATIENCE, precision="fp32", dropout=0.0)


def turning_rows() -> list[dict[str, Any]]:
    """No question has an answer, but for those that are read from `TURN` on."""
    rows = make_rows(TRAINED + HELD_OUT)
    spec = make_spec()
    ranked = ranking(row_digests(rows), spec.subset_seed)
    order = [
        update_examples(TRAINED, BATCH, k, examples_seed(spec.seed, 0)) for k in range(UPDATES)
    ]
    late = {int(ranked[place]) for places in order[TURN:] for place in places}
    return [_turned(number, row["question"], number in late) for number, row in enumerate(rows)]


def _turned(number: int, asked: str, answerable: bool) -> dict[str, Any]:
    context = f"{number} people live in the city."
    return question(context, "city" if answerable else "", asked, f"row-{number}")


def choosing_job(root: Path, name: str, spec: TrainSpec, settings: EngineSettings) -> TrainJob:
    pool = pool_of(root / "pools", turning_rows(), root / "model", settings=spec.recipe)
    return replace(make_job(root, name, make_spec(), settings), spec=spec, pools=(pool,))


@dataclass
class Watch(Diary):
    """Notes what checkpoints there are after each save; with `at`, the checkpoint of update `spoil`
    is damaged as soon as so many updates are done."""

    folder: Path = Path()
    at: int | None = None
    spoil: int = 0
    tags: dict[int, set[int]] = field(default_factory=dict)

    def progress(self, step: int, total: int, values: Mapping[str, float]) -> None:
        super().progress(step, total, values)
        if step == self.at:
            damage(self.folder, self.spoil)

    def saved(self, step: int) -> None:
        super().saved(step)
        found = self.folder.glob("step-*")
        self.tags[step] = {int(path.name.removeprefix("step-")) for path in found}


def damage(folder: Path, update: int) -> None:
    """A byte of that checkpoint becomes another. Collective."""
    if dist.get_rank() == 0:
        victim = min((folder / f"step-{update:06}").glob("*.pt"))
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    dist.barrier()


def life(root: Path, stage: int) -> dict[str, Any]:
    """A training without selection; judged; judged and ended early, in one go and in pieces."""
    settings = EngineSettings(dist.get_world_size(), stage, micro_batch=1)
    often = replace(settings, checkpoint_seconds=0)
    early = choosing_spec(PATIENCE)
    seen: dict[str, Any] = {
        "plain": _unjudged(choosing_job(root, "plain", _plain(early), settings)),
        "whole": scenes.outcome(choosing_job(root, "whole", choosing_spec(), settings)),
        "early": scenes.outcome(choosing_job(root, "early", early, settings)),
        "pieces": _in_pieces(choosing_job(root, "pieces", early, settings)),
    }
    end, best = seen["early"]["updates"], seen["early"]["selected"]
    seen["spoilt"] = _spoilt(choosing_job(root, "spoilt", early, often), end - 1, best)
    seen["spoilt last"] = _spoilt_last(choosing_job(root, "spoilt-last", early, often), end, best)
    seen["wild"] = _diverged(root, settings)
    return seen


def _plain(spec: TrainSpec) -> TrainSpec:
    return spec.model_copy(update={"selection": None})


def _diverged(root: Path, settings: EngineSettings) -> str:
    wild = choosing_spec(learning_rate=1e30, clip_norm=0.0)
    try:
        scenes.outcome(choosing_job(root, "wild", wild, settings))
    except DivergedError as error:
        return str(error)
    return "nothing"


def _unjudged(job: TrainJob) -> dict[str, Any]:
    """Loss and masters after each update."""
    engine = Engine(build(job.spec, job.start_from), job.spec, job.engine)
    updater = Updater(engine, job.spec, job.engine, scenes.lessons_of(job))
    losses, masters = [], []
    for update in range(job.spec.updates):
        losses.append(updater.take(update, stop=False, save=False).loss)
        masters.append({name: each.cpu().clone() for name, each in engine.masters()})
    engine.close()
    return {"losses": losses, "masters": masters}


def _in_pieces(job: TrainJob) -> list[dict[str, Any]]:
    """Stopped after every single update."""
    pieces = [scenes.outcome(job, Diary(stop_at=1))]
    while pieces[-1]["stopped"]:
        pieces.append(scenes.outcome(job, Diary(stop_at=pieces[-1]["updates"] + 1)))
    return pieces


def _spoilt(job: TrainJob, stop: int, best: int) -> dict[str, Any]:
    """Stopped, the best checkpoint damaged, resumed; and what was then passed over."""
    scenes.outcome(job, Diary(stop_at=stop))
    damage(job.checkpoints, best)
    with _heard() as said:
        ended = scenes.outcome(job)
    return ended | {"said": said}


def _spoilt_last(job: TrainJob, end: int, best: int) -> dict[str, Any]:
    """The best checkpoint is damaged when it is about to be handed over; and then once more."""
    said, watch = "nothing", Watch(folder=job.checkpoints, at=end, spoil=best)
    try:
        scenes.outcome(job, watch)
    except OSError as error:
        said = str(error)
    seen = {"said": said, "tags": watch.tags, "handed over": job.artifact.exists()}
    return scenes.outcome(job) | seen


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What xtl logs meanwhile."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("xtl").addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger("xtl").removeHandler(handler)


def judged_training_that_dies(root: Path, rank: int, step: int) -> None:
    """SIGKILL for one rank after update `step`, judged and not yet saved."""
    diary = Diary(kill_at=step if dist.get_rank() == rank else None)
    scenes.outcome(_often(root, "killed"), diary)


def killed_and_whole(root: Path) -> dict[str, Any]:
    return {name: scenes.outcome(_often(root, name)) for name in ("killed", "whole")}


def _often(root: Path, name: str) -> TrainJob:
    settings = EngineSettings(2, zero_stage=1, micro_batch=1, checkpoint_seconds=0)
    return choosing_job(root, name, choosing_spec(PATIENCE), settings)


def exact(root: Path) -> dict[str, Any]:
    """Ended early; of any number of ranks."""
    ranks = dist.get_world_size()
    settings = EngineSettings(ranks, zero_stage=1, micro_batch=8 // ranks)
    return scenes.outcome(choosing_job(root, f"exact-{ranks}", exact_spec(), settings))


def judged(root: Path, stages: Sequence[int]) -> dict[str, list[Validation]]:
    """What the weights that each training starts with are worth, under each stage."""
    jobs = {"several tasks": several_tasks(root), "oracle": oracle(root)}
    return {name: [_judged(job, stage) for stage in stages] for name, job in jobs.items()}


def _judged(job: TrainJob, stage: int) -> Validation:
    settings = EngineSettings(dist.get_world_size(), stage, micro_batch=2)
    engine = Engine(build(job.spec, job.start_from), job.spec, settings)
    given = validation_sets(job.spec, job.pools, job.reported)
    validation = Validator(engine, settings, given).validate(0)
    engine.close()
    return validation


def several_tasks(root: Path) -> TrainJob:
    """One of each family, each with its hold-out."""
    selection = Selection(evaluations=2, held_out=HELD_OUT)
    spec = mixed.mixed_spec(precision="fp32", selection=selection)
    return mixed.mixed_job(root, "several", spec, scenes.SETTINGS)


def oracle(root: Path) -> TrainJob:
    """By five of twelve rows in one language, and the only two in another."""
    rows = {"de": make_rows(12), "sw": make_rows(14)[12:]}
    counts = {"de": 5, "sw": 2}
    parts = tuple(make_part(f"xquad {code}", examples=counts[code]) for code in rows)
    spec = make_spec(precision="fp32", selection=Selection(evaluations=2, reported=parts))
    job = make_job(root, "oracle", spec, scenes.SETTINGS)
    pools = [
        pool_of(root / "pools", rows[code], root / "model", settings=spec.recipe) for code in rows
    ]
    return replace(job, reported=tuple(pools))
