"""SIGKILL of a rank at a random step, then a fresh job: the result is that of no kill at all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.train import mixed
from tests.train.ranks import run_ranks, start_ranks
from xtl.train.settings import EngineSettings

Death = tuple[str, int, bool]
"""Of a kind of training, under a ZeRO stage; whether it is between a checkpoint's files and its
marker."""

COVERING: list[Death] = [
    ("span-qa", 1, False),
    ("span-qa", 1, True),
    ("sentence-pair", 0, False),
    ("multiple-choice", 1, False),
    ("tagging", 2, False),
    ("masked-lm", 3, False),
    ("several tasks", 3, True),
]
"""Every kind and every stage."""

OTHERS: list[Death] = [
    (kind, stage, (number + stage) % 2 == 0)
    for number, kind in enumerate(mixed.KINDS)
    for stage in range(4)
    if (kind, stage) not in [death[:2] for death in COVERING]
]


def title(death: Death) -> str:
    kind, stage, saving = death
    return f"{kind}, zero {stage}, {'saving' if saving else 'between updates'}"


@pytest.mark.parametrize(
    "death",
    [
        *(pytest.param(death, marks=pytest.mark.slow) for death in COVERING),
        *(pytest.param(death, marks=pytest.mark.long) for death in OTHERS),
    ],
    ids=title,
)
def test_a_killed_training_ends_as_one_that_was_not(
    tmp_path: Path, model_folder: Path, death: Death
) -> None:
    """Micro-batches are smaller than a rank's share, and the words' embeddings are trained."""
    (tmp_path / "model").symlink_to(model_folder)
    kind, stage, saving = death
    settings = EngineSettings(2, stage, micro_batch=2, checkpoint_seconds=0)
    step, rank = random.randint(2, 6), 0 if saving else random.randrange(2)
    ends = start_ranks(
        2, mixed.training_that_dies, tmp_path, kind, "killed", settings, rank, step, saving
    )
    assert ends[rank] is None, "a rank was to be killed"
    ends, _ = run_ranks(2, mixed.trainings, tmp_path, kind, ["killed", "whole"], settings)
    assert ends["killed"]["resumed_from"] == step - 1
    for name in ("artifact_digest", "final_loss", "useful_tokens", "updates"):
        assert ends["killed"][name] == ends["whole"][name], f"{name}: rank {rank}, update {step}"
