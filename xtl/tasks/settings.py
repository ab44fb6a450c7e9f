"""Settings that a task brings with it: how it is trained, and how its answers are read off."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: immutable, hashable, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recipe(Frozen):
    """Hyper-parameters of a training. Defaults are XTREME's; lengths are in tokens."""

    batch_size: int
    learning_rate: float
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    adam_epsilon: float = 1e-8
    clip_norm: float = 1.0
    dropout: float = 0.1
    max_length: int = 384
    doc_stride: int = 128


class DecodingSettings(Frozen):
    """How predictions are read off a model; each family uses the fields that concern it."""

    max_length: int = 384
    doc_stride: int = 128
    n_best: int = 20
    max_answer_tokens: int = 30
    layer_fraction: float = 7 / 12  # layer 14 of XLM-R Large's 24, XTREME's retrieval layer
    layer: int | None = None  # of retrieval and mining, where a manifest names one
    neighbours: int = 4  # of each side, that a mined pair's margin is measured against (BUCC)
    scoring: Literal["squad", "squad-v2", "mlqa"] = "squad"
    """Whose rules answers are compared by: SQuAD's, in every language, v2's where a question has no
    answer, or always; or MLQA's for each language."""
