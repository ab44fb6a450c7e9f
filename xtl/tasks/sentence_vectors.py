"""Sentences as vectors, for the families that look for translations without any training.

A sentence's vector is the mean of one hidden layer over all its tokens, `<s>` and `</s>` included,
at unit length.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xtl.tasks.settings import DecodingSettings


class SentenceVectors:
    """What such families have in common of an EvaluableFamily."""

    needs_head = False

    def layer(self, depth: int, decoding: DecodingSettings) -> int:
        """The one that is named; else XTREME's layer 14 of 24, and its like in other depths."""
        if decoding.layer is not None:
            return decoding.layer
        return round(decoding.layer_fraction * depth)

    def outputs(self, head: nn.Module | None, hidden: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors, (batch, hidden_size)."""
        weights = mask.to(torch.float32)[:, :, None]
        mean = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)
        return nn.functional.normalize(mean, dim=1)
