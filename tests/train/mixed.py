"""Trainings of every family, alone and several at once with a head each."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from tests.tasks.pools import pool_of
from tests.train import scenes
from tests.train.trainings import (
    PEOPLE,
    PLACES,
    Diary,
    make_job,
    make_part,
    make_rows,
    make_spec,
)
from xtl.sweep.shard import Part, TrainSpec
from xtl.tasks.family import FeatureSettings
from xtl.tasks.pools import Pool
from xtl.tasks.settings import Recipe
from xtl.train.building import build
from xtl.train.engine import Engine
from xtl.train.settings import EngineSettings
from xtl.train.trainer import TrainJob
from xtl.train.update import Updater

FAMILIES = ("span-qa", "multiple-choice", "masked-lm", "sentence-pair", "tagging")
LABELS = {"sentence-pair": ("yes", "maybe", "no"), "tagging": ("person", "place", "word")}

KINDS = {**{family: (family,) for family in FAMILIES}, "several tasks": FAMILIES}
"""Kinds of training, and what they are on."""

Ways = Sequence[tuple[int, int]]
"""(ZeRO stage, micro-batch) of each."""


def rows_of(family: str) -> list[dict[str, Any]]:
    questions = make_rows()
    made = {
        "span-qa": questions,
        "multiple-choice": [
            {
                "prompt": row["question"],
                "choices": ["Nairobi", "Dhaka", "Ankara"][: 2 + number % 2],
                "label": number % 2,
            }
            for number, row in enumerate(questions)
        ],
        "masked-lm": [{"text": row["context"]} for row in questions],
        "sentence-pair": [
            {"sentence1": row["context"], "sentence2": row["question"], "label": number % 3}
            for number, row in enumerate(questions)
        ],
        "tagging": [
            {"tokens": words, "tags": [_tag(word.rstrip(".")) for word in words]}
            for words in (row["context"].split() for row in questions)
        ],
    }
    return made[family]


def _tag(word: str) -> str:
    return "person" if word in PEOPLE else "place" if word in PLACES else "word"


def mixed_part(family: str) -> Part:
    labels, weight = LABELS.get(family, ()), 2 if family == "span-qa" else 1
    return make_part(f"some-{family}", family=family, labels=labels, weight=weight)


def mixed_spec(families: Sequence[str] = FAMILIES, **changes: Any) -> TrainSpec:
    """Ten updates; the word embeddings are trained, as the tied LM head wants it."""
    spec = make_spec(**{"updates": 10, "freeze": (), **changes})
    return spec.model_copy(update={"parts": tuple(map(mixed_part, families))})


def mixed_job(root: Path, name: str, spec: TrainSpec, settings: EngineSettings) -> TrainJob:
    pools = tuple(_pool(root, part, spec.recipe) for part in spec.parts)
    return replace(make_job(root, name, make_spec(), settings), spec=spec, pools=pools)


def _pool(root: Path, part: Part, recipe: Recipe) -> Pool:
    tags = part.labels if part.family == "tagging" else ()
    settings = FeatureSettings.of(recipe, tags)
    rows = rows_of(part.family)
    return pool_of(root / "pools", rows, root / "model", family=part.family, settings=settings)


def life(root: Path) -> dict[str, Any]:
    """Uninterrupted; and stopped twice and resumed."""
    spec, settings = mixed_spec(), scenes.SETTINGS
    seen = {"whole": scenes.outcome(mixed_job(root, "mixed", spec, settings))}
    for stop in (3, 6):
        job = mixed_job(root, "mixed-stopped", spec, settings)
        scenes.outcome(job, Diary(stop_at=stop))
    seen["resumed"] = scenes.outcome(mixed_job(root, "mixed-stopped", spec, settings))
    return seen


def trainings(
    root: Path, kind: str, names: Sequence[str], settings: EngineSettings
) -> dict[str, Any]:
    """Trainings of one spec, in folders of their own, where they may find checkpoints."""
    spec = mixed_spec(KINDS[kind], updates=7)
    return {name: scenes.outcome(mixed_job(root, name, spec, settings)) for name in names}


def training_that_dies(
    root: Path, kind: str, name: str, settings: EngineSettings, rank: int, step: int, saving: bool
) -> None:
    """SIGKILL for one rank after update `step`; if `saving`, between files and marker."""
    diary = Diary()
    if dist.get_rank() == rank:
        tag = root / name / "checkpoints" / f"step-{step:06}"
        diary = Diary(on_fence=lambda: _die_with(tag)) if saving else Diary(kill_at=step)
    spec = mixed_spec(KINDS[kind], updates=7)
    scenes.outcome(mixed_job(root, name, spec, settings), diary)


def _die_with(tag: Path) -> None:
    if tag.exists():
        os.kill(os.getpid(), signal.SIGKILL)


def parity_job(root: Path, kind: str, settings: EngineSettings) -> TrainJob:
    """Seven updates in fp32 without dropout."""
    spec = mixed_spec(KINDS[kind], precision="fp32", updates=7)
    spec = spec.model_copy(update={"recipe": scenes.parity_spec().recipe})
    return mixed_job(root, f"parity-{kind}", spec, settings)


def masters(root: Path, asked: Mapping[str, Ways]) -> dict[str, list[dict[str, Tensor]]]:
    """After such a training of each kind, for each of its ways."""
    return {kind: [_masters(root, kind, *way) for way in ways] for kind, ways in asked.items()}


def _masters(root: Path, kind: str, stage: int, micro_batch: int) -> dict[str, Tensor]:
    settings = EngineSettings(dist.get_world_size(), stage, micro_batch)
    job = parity_job(root, kind, settings)
    engine = Engine(build(job.spec, job.start_from), job.spec, settings)
    updater = Updater(engine, job.spec, settings, scenes.lessons_of(job))
    for update in range(job.spec.updates):
        updater.take(update, stop=False, save=False)
    found = {name: master.clone() for name, master in engine.masters()}
    engine.close()
    return found
