"""A small training that is real in every part: model, tokenizer, rows, spec, hooks."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.tiny import make_tiny_encoder
from xtl.sweep.shard import ModelRef, Part, Table, TrainSpec
from xtl.tasks.settings import Recipe

if TYPE_CHECKING:
    from xtl.train.settings import EngineSettings
    from xtl.train.trainer import TrainJob

PEOPLE = ("Amina", "Bo", "Chidi", "Dara", "Eshe", "Farah", "Goran")
PLACES = ("Nairobi", "Dhaka", "Hyderabad", "Bangkok", "Ankara")


def make_model(folder: Path) -> None:
    """A tiny XLM-R as the mirror has it: the word embeddings in a file of their own."""
    from safetensors.torch import load_file, save_file

    make_tiny_encoder(folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places: dict[str, str] = {}
    for number, frozen in enumerate((True, False), start=1):
        name = f"model-0000{number}-of-00002.safetensors"
        part = {key: t for key, t in tensors.items() if ("word_embeddings" in key) is frozen}
        save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def make_rows(count: int = 40) -> list[dict[str, Any]]:
    """Questions of who lives where; contexts of several lengths, one in five unanswerable."""
    return [_row(number) for number in range(count)]


def _row(number: int) -> dict[str, Any]:
    person, place = PEOPLE[number % len(PEOPLE)], PLACES[number % len(PLACES)]
    fact = f"{person} lives in {place}."
    context = " ".join([*["It was a long day."] * (number % 4), fact, "The end."])
    answerable = number % 5 > 0
    asked = person if answerable else "Nobody"
    start = context.index(place)
    return {
        "id": f"row-{number}",
        "context": context,
        "question": f"Where does {asked} live?",
        "answers": {
            "text": [place] if answerable else [],
            "answer_start": [start] if answerable else [],
        },
    }


def make_spec(**changes: Any) -> TrainSpec:
    """Seven updates of eight examples; changes go to the recipe where it has such a field."""
    recipe = Recipe(
        batch_size=8, learning_rate=2e-3, max_length=40, doc_stride=16,
        **{key: changes.pop(key) for key in [*changes] if key in {"dropout", "clip_norm"}},
    )  # fmt: skip
    if "learning_rate" in changes:
        recipe = recipe.model_copy(update={"learning_rate": changes.pop("learning_rate")})
    part = make_part(changes.pop("task", "who-where"))
    fields: dict[str, Any] = {
        "parts": (part,), "parent": None, "subset_seed": 1, "updates": 7, "recipe": recipe,
        "model": ModelRef(repo="a/m", revision="r", fingerprint="model"),
        "freeze": ("word_embeddings",), "precision": "bf16", "seed": 3,
    }  # fmt: skip
    return TrainSpec(**{**fields, **changes})


def make_part(task: str, **changes: Any) -> Part:
    """28 of the 40 rows."""
    table = Table(
        repo="a/b", revision="r", config="c", split="train", form="squad", rows=40,
        content="content",
    )  # fmt: skip
    fields: dict[str, Any] = {"family": "span-qa", "data": (table,), "examples": 28, **changes}
    return Part(task=task, **fields)


@dataclass
class Diary:
    """Hooks that remember, and that stop, kill or fence at a step if told to."""

    stop_at: int | None = None
    kill_at: int | None = None
    on_fence: Callable[[], None] = lambda: None
    values: list[dict[str, float]] = field(default_factory=list)
    saves: list[int] = field(default_factory=list)
    step: int = 0

    def progress(self, step: int, total: int, values: Mapping[str, float]) -> None:
        self.step = step
        if values:
            self.values.append(dict(values))
        if step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def saved(self, step: int) -> None:
        self.saves.append(step)

    def stop_requested(self) -> bool:
        return self.step + 1 == self.stop_at

    def fence(self) -> None:
        self.on_fence()


def make_job(
    root: Path, name: str, spec: TrainSpec, settings: EngineSettings, start: Path | None = None
) -> TrainJob:
    """Files go to `root/name`; the model that it starts from is `root/model` unless given."""
    from tests.tasks.pools import pool_of
    from xtl.train.trainer import TrainJob

    pool = pool_of(root / "pools", make_rows(), root / "model", settings=spec.recipe)
    return TrainJob(
        spec=spec,
        pools=(pool,) * len(spec.parts),
        start_from=start or root / "model",
        start="digest",
        checkpoints=root / name / "checkpoints",
        artifact=root / name / "artifact",
        engine=settings,
    )
