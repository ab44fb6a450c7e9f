"""What xtl knows of encoders by their `model_type`, as plain data. Imports no torch.

One that is not listed goes through transformers' AutoModel, with the most careful assumptions:
see `UNKNOWN`. Adding one is an entry here, held against the real class by the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError
from xtl.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

CONFIG = "config.json"

_BERT_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")


@dataclass(frozen=True)
class Architecture:
    """What can be done with an encoder.

    `model` and `tokenizer` are classes of transformers. `layers` is the path of the list of
    layers, where cutting it gives the outputs of the layer before the cut; empty where it does
    not: then every layer's are kept, and one is taken. `embeddings` ends the name of the word
    embeddings; `dropout` are keys of the configuration (none: every one that is called so).
    `segments`: it has embeddings for the first and the second text of a pair. `after_padding`:
    positions are counted from the padding's id on; `bounded`: no more of them than
    `max_position_embeddings`.
    """

    model: str = "AutoModel"
    tokenizer: str = "AutoTokenizer"
    layers: str = ""
    embeddings: str = ""
    pooler: bool = False
    dropout: tuple[str, ...] = ()
    attention: str | None = "sdpa"
    segments: bool = False
    after_padding: bool = False
    bounded: bool = True


def _roberta(model: str, tokenizer: str) -> Architecture:
    return Architecture(
        model=model,
        tokenizer=tokenizer,
        layers="encoder.layer",
        embeddings="embeddings.word_embeddings",
        pooler=True,
        dropout=_BERT_DROPOUT,
        after_padding=True,
    )


def _bert(
    model: str,
    tokenizer: str = "BertTokenizer",
    *,
    pooler: bool = True,
    attention: str = "sdpa",
) -> Architecture:
    return Architecture(
        model=model,
        tokenizer=tokenizer,
        layers="encoder.layer",
        embeddings="embeddings.word_embeddings",
        pooler=pooler,
        dropout=_BERT_DROPOUT,
        attention=attention,
        segments=True,
    )


ARCHITECTURES: dict[str, Architecture] = {
    "xlm-roberta": _roberta("XLMRobertaModel", "XLMRobertaTokenizer"),
    "roberta": _roberta("RobertaModel", "RobertaTokenizer"),
    "camembert": _roberta("CamembertModel", "CamembertTokenizer"),
    "bert": _bert("BertModel"),
    "electra": _bert("ElectraModel", pooler=False),
    "rembert": _bert("RemBertModel", "RemBertTokenizer", attention="eager"),
    "distilbert": Architecture(
        model="DistilBertModel",
        tokenizer="BertTokenizer",
        layers="transformer.layer",
        embeddings="embeddings.word_embeddings",
        dropout=("dropout", "attention_dropout"),
    ),
    "deberta-v2": Architecture(
        model="DebertaV2Model",
        tokenizer="DebertaV2Tokenizer",
        embeddings="embeddings.word_embeddings",
        dropout=_BERT_DROPOUT,
        attention="eager",
        bounded=False,
    ),
    # A last norm follows its layers.
    "modernbert": Architecture(
        model="ModernBertModel",
        tokenizer="PreTrainedTokenizerFast",
        embeddings="embeddings.tok_embeddings",
        dropout=("embedding_dropout", "attention_dropout", "mlp_dropout"),
    ),
}

UNKNOWN = Architecture(attention=None)
"""Padded; all layers are kept where one is read; segment 0 throughout."""


@dataclass(frozen=True)
class Sizes:
    """Figures of a model; `heads` of attention, 0 where its configuration does not say."""

    layers: int
    hidden: int
    heads: int
    vocabulary: int


def configuration(folder: Path) -> dict[str, Any]:
    """What lies in the folder's config.json. UserError where there is none."""
    found = read_json(folder / CONFIG)
    if not isinstance(found, dict):
        raise UserError(
            f"{folder / CONFIG}: found no JSON object, expected a model's configuration"
        )
    return found


def architecture(folder: Path) -> Architecture:
    """What can be done with the model in `folder`; UNKNOWN where its type is not listed."""
    return ARCHITECTURES.get(str(configuration(folder).get("model_type")), UNKNOWN)


def most_tokens(folder: Path) -> int | None:
    """The longest sequence that the model takes, in tokens; None where nothing bounds it."""
    config, kind = configuration(folder), architecture(folder)
    positions = config.get("max_position_embeddings")
    if not kind.bounded or not isinstance(positions, int) or positions <= 0:
        return None
    return positions - (config.get("pad_token_id", 1) + 1 if kind.after_padding else 0)


def require_length(folder: Path, max_length: int) -> None:
    """UserError where the model has no positions for `max_length` tokens."""
    most = most_tokens(folder)
    if most is not None and max_length > most:
        raise UserError(
            f"max_length: found {max_length}, expected at most {most}, the positions of the model "
            f"in {folder}"
        )


def sizes(folder: Path) -> Sizes:
    """Read off config.json; by transformers, which knows every type's own names for them, where
    it does not say them plainly. UserError for a model that is no encoder of transformers'."""
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
    found: dict[str, Any] = configuration(folder)
    if found.get("model_type") not in ARCHITECTURES or not set(names) <= found.keys():
        config = known_config(folder)
        found = {name: getattr(config, name, 0) for name in names}
    if not found["num_hidden_layers"] or not found["hidden_size"]:
        raise UserError(
            f"{folder / CONFIG}: found no {' or '.join(names[:2])}, expected an encoder"
        )
    return Sizes(*(int(found[name] or 0) for name in names))


def known_config(folder: Path) -> PreTrainedConfig:
    """transformers' own view of config.json; imports torch. UserError where it has none, as no
    code out of a model's folder is run, and for what is more than an encoder."""
    from transformers import AutoConfig

    kind = configuration(folder).get("model_type")
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except ValueError as error:
        raise UserError(
            f"{folder / CONFIG}: model_type: found {kind!r}, expected one that transformers has "
            "(code that comes with a model is never run)"
        ) from error
    if config.is_encoder_decoder:
        raise UserError(f"{folder / CONFIG}: found {kind}, an encoder-decoder, expected an encoder")
    attention = str(getattr(config, "_attn_implementation", None))
    if "/" in attention:  # transformers would fetch it and run it
        raise UserError(
            f"{folder / CONFIG}: attn_implementation: found {attention}, a kernel of the hub's, "
            "expected none (code that comes with a model is never run)"
        )
    return config


def is_word_embeddings(
    kind: Architecture, name: str, shape: Sequence[int], vocabulary: int
) -> bool:
    """Whether a tensor of a checkpoint, by its name and shape, is the word embeddings."""
    if kind.embeddings:
        return name.endswith(f"{kind.embeddings}.weight")
    return len(shape) == 2 and shape[0] == vocabulary and "embed" in name
