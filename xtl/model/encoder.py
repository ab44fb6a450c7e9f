"""The encoder: loaded from a folder, parts of it frozen, joined with a task's head."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from xtl.errors import UserError
from xtl.model.architectures import (
    ARCHITECTURES,
    UNKNOWN,
    architecture,
    known_config,
    require_length,
)
from xtl.model.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

Loss = Callable[[nn.Module, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(head, hidden, mask, labels) → (sum of losses, correct targets): a family's `loss`."""


class TaskModel(nn.Module):
    """Encoder and heads as one module, so that ZeRO sees the forward pass as a whole."""

    def __init__(
        self, encoder: PreTrainedModel, heads: Sequence[nn.Module], losses: Sequence[Loss]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(heads)
        self._losses = losses

    def forward(
        self, input_ids: Tensor, mask: Tensor, labels: Tensor, task: int = 0
    ) -> tuple[Tensor, Tensor]:
        """(sum of losses, correct targets) of a padded batch of one task, by its head's number.

        Shapes as in `PaddedBatch`. Other heads get gradients of zero: without any, ZeRO's stages
        would treat their moments and their decay differently.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        idle = hidden.new_zeros((), dtype=torch.float32)
        for number, head in enumerate(self.heads):  # always in this order: ZeRO 3 traces it
            if number == task:
                loss, correct = self._losses[number](head, hidden, mask, labels)
            else:
                idle = idle + 0.0 * head(hidden[:1, :1]).float().sum()
        return (loss if len(self.heads) == 1 else loss + idle), correct


def load_encoder(folder: Path, dropout: float, max_length: int | None = None) -> PreTrainedModel:
    """The folder's encoder without pooler, in fp32, from local safetensors alone, with `dropout`
    everywhere; no code of the folder is run.

    What its type can do is in `xtl.model.architectures`. UserError for one that is no encoder of
    transformers', or that has no positions for `max_length` tokens.
    """
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    kind = architecture(folder)
    if max_length is not None:
        require_length(folder, max_length)
    encoder: PreTrainedModel = getattr(transformers, kind.model).from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype="float32",
        **({"add_pooling_layer": False} if kind.pooler else {}),
        **({"attn_implementation": kind.attention} if kind.attention else {}),
        **dict.fromkeys(kind.dropout or _dropout_keys(folder), dropout),
    )
    if kind.segments and getattr(encoder.config, "type_vocab_size", 0) > 1:
        separator = cast(int, load_tokenizer(folder).sep_token_id)
        encoder.register_forward_pre_hook(partial(_with_segments, separator), with_kwargs=True)
    return encoder


def _dropout_keys(folder: Path) -> list[str]:
    """Of a model that is not listed: what its configuration has under names of dropout."""
    config = known_config(folder)
    _say_once(str(config.model_type))
    return [
        key
        for key, value in config.to_dict().items()
        if "dropout" in key and isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


@lru_cache
def _say_once(model_type: str) -> None:
    log.warning(
        "model_type %s is not one that xtl knows (%s): it is padded, all its layers are kept where "
        "one is read, and both texts of a pair are segment 0",
        model_type,
        ", ".join(ARCHITECTURES),
    )


def _with_segments(
    separator: int, encoder: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, {"token_type_ids": segments(given["input_ids"], separator), **given}


def segments(input_ids: Tensor, separator: int) -> Tensor:
    """0 up to the first separator and with it, 1 from there to the last and with it, as BERT's
    pairs have it; 0 in what pads them, and in a text alone. Shapes (batch, length)."""
    ends = (input_ids == separator).long()
    before = ends.cumsum(dim=1) - ends
    return ((before > 0) & (before < ends.sum(dim=1, keepdim=True))).long()


def word_embeddings(encoder: PreTrainedModel) -> nn.Embedding:
    """What turns ids into vectors: what can be frozen, and a masked LM's head decodes with.
    UserError where the encoder has none of the usual kind."""
    found = encoder.get_input_embeddings()
    if not isinstance(found, nn.Embedding):
        kind = type(found).__name__
        raise UserError(f"model: found {kind} for word embeddings, expected an embedding of words")
    return found


def read_at(encoder: PreTrainedModel, layer: int) -> None:
    """Make `last_hidden_state` the outputs of a layer: 0 = embeddings, then the layers from 1.

    Layers above it go where that is known to give the same, so that no time goes into what nobody
    reads; elsewhere all are run.
    """
    kind = ARCHITECTURES.get(encoder.config.model_type, UNKNOWN)
    depth = int(encoder.config.num_hidden_layers)
    if layer == depth:
        return
    if kind.layers:
        owner, _, name = kind.layers.rpartition(".")
        holder = encoder.get_submodule(owner)
        setattr(holder, name, getattr(holder, name)[:layer])
        return
    encoder.register_forward_pre_hook(_with_all_layers, with_kwargs=True)
    encoder.register_forward_hook(partial(_one_of_them, layer, depth))


def _with_all_layers(
    encoder: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, {**given, "output_hidden_states": True}


def _one_of_them(
    layer: int, depth: int, encoder: nn.Module, args: tuple[Any, ...], output: Any
) -> Any:
    found = output.hidden_states
    if found is None or len(found) != depth + 1:
        told = "none" if found is None else f"{len(found)}"
        raise UserError(f"model: found {told} of {depth + 1} layers' outputs, expected each")
    output.last_hidden_state, output.hidden_states = found[layer], None
    return output


def freeze(encoder: PreTrainedModel, parts: Iterable[str]) -> None:
    """Take `parts` out of training. Raises UserError for a name that is not in FREEZABLE."""
    for part in parts:
        if part not in FREEZABLE:
            raise UserError(f"freeze: found {part!r}, expected one of {', '.join(FREEZABLE)}")
        FREEZABLE[part](encoder).requires_grad_(False)


FREEZABLE: dict[str, Callable[[PreTrainedModel], nn.Module]] = {"word_embeddings": word_embeddings}
"""What a manifest may freeze."""
