"""The LM head that a public model's folder may hold beside its encoder. Imports no torch.

Encoders without one are as common: the demo's is one, and so is every artifact of a training.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.files import read_json

if TYPE_CHECKING:
    from torch import Tensor

PARTS = ("bias", "dense.bias", "dense.weight", "layer_norm.bias", "layer_norm.weight")
"""The head's own parameters; the decoder's weight is the word embeddings'."""

_PREFIX = "lm_head."  # RoBERTa's and XLM-R's
_BERT = {
    "cls.predictions.transform.LayerNorm.gamma": f"{_PREFIX}layer_norm.weight",
    "cls.predictions.transform.LayerNorm.beta": f"{_PREFIX}layer_norm.bias",
    "cls.predictions.transform.LayerNorm.": f"{_PREFIX}layer_norm.",
    "cls.predictions.transform.dense.": f"{_PREFIX}dense.",
    "cls.predictions.bias": f"{_PREFIX}bias",
}
_LAYER_NORM_EPS = 1e-5  # XLM-R's


def lm_head_in(folder: Path) -> bool:
    """Whether the folder's safetensors hold a whole LM head; their headers alone are read."""
    return {part for part, _, _ in _found(folder)} == set(PARTS)


def lm_head_weights(folder: Path) -> dict[str, Tensor]:
    """The head's own parameters, by the names in PARTS; empty unless all of them are there."""
    from safetensors import safe_open

    places = {part: (path, key) for part, path, key in _found(folder)}
    weights: dict[str, Tensor] = {}
    for part, (path, key) in places.items() if set(places) == set(PARTS) else ():
        with safe_open(path, framework="pt") as file:
            weights[part] = file.get_tensor(key).float()
    return weights


def layer_norm_eps(folder: Path | None) -> float:
    """What the model's configuration says of its layers' norms holds for the head's as well."""
    config: Any = (read_json(folder / "config.json") if folder else None) or {}
    return float(config.get("layer_norm_eps", _LAYER_NORM_EPS))


def _found(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """(name in PARTS, file, name in the file) of each part of a head."""
    from safetensors import safe_open

    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, framework="np") as file:
            named = [(_own_name(key), key) for key in file.keys()]  # noqa: SIM118 - no mapping
        yield from ((part, path, key) for part, key in named if part in PARTS)


def _own_name(key: str) -> str:
    for theirs, ours in _BERT.items():
        if key.startswith(theirs):
            key = ours + key.removeprefix(theirs)
    return key.removeprefix(_PREFIX) if key.startswith(_PREFIX) else ""
