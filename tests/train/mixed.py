"""A training on several tasks at once: questions, choices and masked text, a head each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from tests.tasks.pools import pool_of
from tests.train import scenes
from tests.train.trainings import Diary, make_job, make_part, make_rows, make_spec
from xtl.sweep.shard import Part, TrainSpec
from xtl.train.building import build
from xtl.train.engine import Engine, EngineSettings
from xtl.train.trainer import TrainJob
from xtl.train.update import Updater

FAMILIES = ("span-qa", "multiple-choice", "masked-lm", "sentence-pair")


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
    }
    return made[family]


def mixed_part(family: str) -> Part:
    labels = ("yes", "maybe", "no") if family == "sentence-pair" else ()
    weight = 2 if family == "span-qa" else 1
    return make_part(f"some-{family}", family=family, labels=labels, weight=weight)


def mixed_spec(families: Sequence[str] = FAMILIES, **changes: Any) -> TrainSpec:
    """Ten updates; the word embeddings are trained, as the tied LM head wants it."""
    spec = make_spec(**{"updates": 10, "freeze": (), **changes})
    return spec.model_copy(update={"parts": tuple(map(mixed_part, families))})


def mixed_job(root: Path, name: str, spec: TrainSpec, settings: EngineSettings) -> TrainJob:
    pools = tuple(
        pool_of(root / "pools", rows_of(part.family), root / "model",
                family=part.family, settings=spec.recipe)
        for part in spec.parts
    )  # fmt: skip
    return replace(make_job(root, name, make_spec(), settings), spec=spec, pools=pools)


def life(root: Path) -> dict[str, Any]:
    """Uninterrupted; and stopped twice and resumed."""
    spec, settings = mixed_spec(), scenes.SETTINGS
    seen = {"whole": scenes.outcome(mixed_job(root, "mixed", spec, settings))}
    for stop in (3, 6):
        job = mixed_job(root, "mixed-stopped", spec, settings)
        scenes.outcome(job, Diary(stop_at=stop))
    seen["resumed"] = scenes.outcome(mixed_job(root, "mixed-stopped", spec, settings))
    return seen


def masters(root: Path, ways: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
    """After a training in fp32 without dropout, for each (ZeRO stage, micro-batch)."""
    return [_masters(root, stage, micro_batch) for stage, micro_batch in ways]


def _masters(root: Path, stage: int, micro_batch: int) -> dict[str, Tensor]:
    recipe = scenes.parity_spec().recipe
    spec = mixed_spec(precision="fp32").model_copy(update={"recipe": recipe})
    settings = EngineSettings(dist.get_world_size(), stage, micro_batch)
    job = mixed_job(root, f"mixed-{stage}-{micro_batch}", spec, settings)
    engine = Engine(build(spec, job.start_from), spec, settings)
    updater = Updater(engine, spec, settings, scenes.lessons_of(job))
    for update in range(spec.updates):
        updater.take(update, stop=False, save=False)
    found = {name: master.clone() for name, master in engine.masters()}
    engine.close()
    return found
