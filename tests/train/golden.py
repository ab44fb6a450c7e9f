"""Golden runs: short trainings whose course is kept in files, so that no change of it goes unseen.

`python -m tests.train.golden` takes them again and writes the files anew, which is right only where
RECIPE_VERSION was raised. Nothing that other tests train on is in the runs, nor anything that a
library learnt or drew, but for torch's draws: dropout's, and the first weights of heads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from tests.tasks.pools import pool_of
from tests.train.drawn import FAMILIES, LABELS, ROWS, make_model, rows_of
from tests.train.ranks import run_ranks
from tests.train.trainings import Diary
from xtl.sweep.shard import (
    RECIPE_VERSION,
    ModelRef,
    Part,
    Precision,
    Selection,
    Table,
    TrainSpec,
)
from xtl.tasks.family import FeatureSettings
from xtl.tasks.settings import Recipe
from xtl.train.building import vocabulary
from xtl.train.lessons import Lessons
from xtl.train.settings import EngineSettings
from xtl.train.trainer import TrainJob, train

FOLDER = Path(__file__).parent / "golden"
UPDATES = 8

# Such that it matters how the warm-up is rounded, that vectors do not decay, and where it clips.
RECIPE = Recipe(
    batch_size=8, learning_rate=2e-3, warmup_fraction=0.3, weight_decay=0.1, adam_epsilon=1e-6,
    clip_norm=1.0, dropout=0.1, max_length=24, doc_stride=8,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a golden run is of."""

    families: tuple[str, ...]
    precision: Precision = "fp32"
    freeze: tuple[str, ...] = ()
    selection: Selection | None = None

    @property
    def tolerance(self) -> float:
        """What another CPU's rounding may change, relative; of bf16's."""
        return 1e-5 if self.precision == "fp32" else 1e-2


RUNS = {
    **{family: Run((family,)) for family in FAMILIES},
    "several-tasks": Run(FAMILIES),
    "bf16": Run(("span-qa",), precision="bf16", freeze=("word_embeddings",)),
    "selection": Run(
        ("multiple-choice",), selection=Selection(evaluations=4, held_out=12, patience=2)
    ),
}


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.json"


def kept(name: str) -> dict[str, Any]:
    """What the run came to under the recipe version that it has with it."""
    found: dict[str, Any] = json.loads(path_of(name).read_text(encoding="utf-8"))
    return found


def play(folder: Path) -> dict[str, dict[str, Any]]:
    """Take every run; what it came to. On one rank, in micro-batches smaller than an update."""
    make_model(folder / "model")
    return {name: _play(folder, name) for name in RUNS}


def draws() -> str:
    """A digest of what torch draws for dropout and for weights, to the third digit."""
    torch.manual_seed(7)
    masks = functional.dropout(torch.ones(4, 32), 0.1).flatten().tolist()
    weights = torch.nn.init.normal_(torch.empty(64)).tolist()
    return _digest(f"{each:.3f}" for each in [*masks, *weights])


def _play(folder: Path, name: str) -> dict[str, Any]:
    job = _job(folder, name)
    diary = Diary()
    outcome = train(job, diary)
    return {
        "examples": _digest(_examples(job)),
        "losses": [values["train/loss"] for values in diary.values],
        "norms": [values["train/grad_norm"] for values in diary.values],
        "rates": [values["train/lr"] for values in diary.values],
        "weights": dict(_sizes(job.artifact)),
        "validations": [asdict(validation) for validation in outcome.validations],
        "selected": outcome.selected,
    }


def _job(folder: Path, name: str) -> TrainJob:
    run = RUNS[name]
    spec = TrainSpec(
        parts=tuple(map(_part, run.families)),
        model=ModelRef(repo="a/m", revision="r", fingerprint="model"),
        parent=None,
        subset_seed=1,
        updates=UPDATES,
        recipe=RECIPE,
        freeze=run.freeze,
        precision=run.precision,
        seed=3,
        selection=run.selection,
    )
    return TrainJob(
        spec=spec,
        pools=tuple(
            pool_of(folder / "pools", rows_of(part.family), folder / "model", family=part.family,
                    settings=FeatureSettings.of(spec.recipe, part.labels))
            for part in spec.parts
        ),
        start_from=folder / "model",
        start="digest",
        checkpoints=folder / name / "checkpoints",
        artifact=folder / name / "artifact",
        engine=EngineSettings(ranks=1, zero_stage=1, micro_batch=3),
    )  # fmt: skip


def _part(family: str) -> Part:
    table = Table(
        repo="a/b", revision="r", config="c", split="train", form="own", rows=ROWS,
        content=family,
    )  # fmt: skip
    weight = 2 if family == "tagging" else 1
    return Part(
        task=f"some-{family}", family=family, data=(table,), examples=26, weight=weight,
        labels=LABELS.get(family, ()),
    )  # fmt: skip


def _examples(job: TrainJob) -> Iterator[str]:
    """All that an update reads, update by update."""
    lessons = Lessons(job.spec, job.pools, partial(vocabulary, job.start_from))
    for update in range(job.spec.updates):
        lesson = lessons.of(update)
        yield f"{lesson.number} {lesson.targets}"
        for feature in lesson.features:
            yield f"{[*feature.input_ids]} {[*feature.labels]}"


def _sizes(artifact: Path) -> Iterator[tuple[str, float]]:
    """Weights as one vector, its length: the encoder's matrices, its vectors, each head's.

    (Not a head's vectors alone: a bias that has no say, as span-qa's, is rounding alone.)
    """
    encoder = load_file(artifact / "model.safetensors").values()
    yield "matrices", _size([each for each in encoder if each.ndim > 1])
    yield "vectors", _size([each for each in encoder if each.ndim == 1])
    for path in sorted(artifact.glob("head-*.safetensors")):
        yield path.stem, _size([*load_file(path).values()])


def _size(tensors: Sequence[Tensor]) -> float:
    return float(torch.stack([each.double().square().sum() for each in tensors]).sum().sqrt())


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def main() -> None:
    with TemporaryDirectory() as folder:
        (runs,) = run_ranks(1, play, Path(folder))
    made = {"recipe_version": RECIPE_VERSION, "torch": torch.__version__, "draws": draws()}
    for name, run in runs.items():
        path_of(name).write_text(json.dumps({**made, **run}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
