"""The encoder: loaded from a folder, parts of it frozen, joined with a task's head."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from xtl.errors import UserError

if TYPE_CHECKING:
    from transformers import XLMRobertaModel

FREEZABLE = {"word_embeddings": "embeddings.word_embeddings."}
"""What a manifest may freeze, and how the encoder's names of it begin."""

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(head, hidden, mask, labels) → (sum of losses, correct targets): a family's `loss`."""


class TaskModel(nn.Module):
    """Encoder and head as one module, so that ZeRO sees the forward pass as a whole."""

    def __init__(self, encoder: XLMRobertaModel, head: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self._loss = loss

    def forward(self, input_ids: Tensor, mask: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(sum of losses, correct targets) of a padded batch; shapes as in `PaddedBatch`."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        return self._loss(self.head, hidden, mask, labels)


def load_encoder(folder: Path, dropout: float) -> XLMRobertaModel:
    """XLM-R without pooler, in fp32, from local safetensors alone; `dropout` everywhere."""
    from transformers import XLMRobertaModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    encoder: XLMRobertaModel = XLMRobertaModel.from_pretrained(
        folder,
        add_pooling_layer=False,
        local_files_only=True,
        use_safetensors=True,
        attn_implementation="sdpa",
        dtype="float32",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return encoder


def freeze(encoder: nn.Module, parts: Iterable[str]) -> None:
    """Take `parts` out of training. Raises UserError for a name that is not in FREEZABLE."""
    for part in parts:
        if part not in FREEZABLE:
            raise UserError(f"freeze: found {part!r}, expected one of {', '.join(FREEZABLE)}")
        for name, parameter in encoder.named_parameters():
            if name.startswith(FREEZABLE[part]):
                parameter.requires_grad_(False)
