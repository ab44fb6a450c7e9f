"""XLM-R of its own sizes, with random weights and a tokenizer of ours: nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.tiny import tokenizer_into

if TYPE_CHECKING:
    from transformers import XLMRobertaConfig

_COMMON = {
    "vocab_size": 250_002,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}

SIZES: dict[str, dict[str, Any]] = {
    "base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
"""As in the config.json of FacebookAI/xlm-roberta-base and -large."""


def configuration(size: str) -> XLMRobertaConfig:
    """Of a name in SIZES, or of a JSON file with the keys of a config.json."""
    from transformers import XLMRobertaConfig

    own = SIZES[size] if size in SIZES else json.loads(Path(size).read_text(encoding="utf-8"))
    return XLMRobertaConfig(**{**_COMMON, **own})


def make_xlm_r(folder: Path, size: str = "large", seed: int = 0) -> None:
    """Fill `folder` with such a model (no pooler), seeded. Large: 2.2 GB, and as much memory."""
    import torch
    from transformers import XLMRobertaModel

    tokenizer_into(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = XLMRobertaModel(configuration(size), add_pooling_layer=False)
    model.save_pretrained(folder, max_shard_size="5GB")
