"""Tiny encoders of every kind, with random weights, and a WordPiece tokenizer of BERT's make."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer, PreTrainedModel

LAYERS, HIDDEN, VOCABULARY = 3, 32, 200
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "initializer_range": 0.5,
    "bos_token_id": 2,
    "eos_token_id": 3,
}

OF_ITS_OWN: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 16},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"],
                   "position_biased_input": False},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "pad_token_id": 0,
                   "cls_token_id": 2, "sep_token_id": 3},
}  # fmt: skip


def config_of(model_type: str) -> transformers.PreTrainedConfig:
    """By the names that every type knows; each stores them under its own."""
    given = COMMON | OF_ITS_OWN.get(model_type, {})
    config: transformers.PreTrainedConfig = transformers.AutoConfig.for_model(model_type, **given)
    return config


def write_encoder(folder: Path, model_type: str, seed: int = 0) -> PreTrainedModel:
    """Save a seeded one, without a head, and give it in evaluation mode."""
    torch.manual_seed(seed)
    model: PreTrainedModel = transformers.AutoModel.from_config(config_of(model_type))  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    model.train(False)
    return model


def word_piece(
    texts: Iterable[str], *, lower: bool = False, size: int = VOCABULARY
) -> BertTokenizer:
    """Trained on the spot; of BERT's pair template and segments."""
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=lower)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    made: BertTokenizer = BertTokenizer(
        vocab=trained.get_vocab(), do_lower_case=lower, model_max_length=512
    )
    return made
