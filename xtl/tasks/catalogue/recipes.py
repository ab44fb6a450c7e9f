"""The hyper-parameters that tasks and targets share. Torch-free, plain data."""

from __future__ import annotations

from xtl.tasks.settings import DecodingSettings, Recipe

LEARNING_RATE = 1e-5  # XTREME's for every target; of intermediate tasks: recalled

PAIRS_LENGTH = 256  # XTREME's of classification and tagging; of intermediate ones: ours
QA_LENGTH = 384
RETRIEVAL_LENGTH = 512

LOOKUP_RECIPE = Recipe(batch_size=16, learning_rate=2e-4, max_length=128, doc_stride=64)
LOOKUP_DECODING = DecodingSettings(max_length=128, doc_stride=64)


def recipe(batch_size: int, max_length: int = PAIRS_LENGTH) -> Recipe:
    """All else is the default: AdamW with weight decay 0.01, clipping at 1, warm-up over 10%."""
    return Recipe(batch_size=batch_size, learning_rate=LEARNING_RATE, max_length=max_length)
