"""The tokenizer that lies beside a model's weights, read once a process. Imports no torch."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xtl.data.mirror import file_hash
from xtl.errors import UserError
from xtl.files import read_json
from xtl.model.architectures import ARCHITECTURES, CONFIG, UNKNOWN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_FILES = ("tokenizer.json", "tokenizer_config.json")
_PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")  # tokenizer.json as it is
_NOTES = ("special_tokens_map.json", "added_tokens.json")  # older forms of what is in _FILES


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """From the folder alone. XLM-R's takes seconds to read, and every checkpoint of a chain has
    the same files: what was read is known again by their content."""
    return _load(tokenizer_hash(folder), _Place(folder))


def tokenizer_hash(folder: Path) -> str:
    """64 hex digits over the content of the tokenizer's files, in about 20 ms for XLM-R's.

    UserError where the folder has no tokenizer.json.
    """
    require_tokenizer(folder)
    total = hashlib.sha256()
    for path in (folder / name for name in (*_FILES, *_NOTES)):
        if path.is_file():
            total.update(f"{path.name}\0{file_hash(path)}\n".encode())
    return total.hexdigest()


def require_tokenizer(folder: Path) -> None:
    """UserError where the folder has no tokenizer.json: other forms of a tokenizer are not read."""
    if not (folder / _FILES[0]).is_file():
        raise UserError(f"{folder}: found no {_FILES[0]}, expected a model's tokenizer there")


class _Place:
    """A folder that counts for nothing in the cache's key: any with the same files will do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=4)
def _load(content: str, place: _Place) -> PreTrainedTokenizerFast:
    try:
        tokenizer = _class_for(place.folder).from_pretrained(
            place.folder, local_files_only=True, trust_remote_code=False
        )
    except ValueError as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{place.folder}: found a tokenizer that transformers does not read ({first}), "
            "expected one that it has (code that comes with a model is never run)"
        ) from error
    if tokenizer.pad_token_id is None:
        path = place.folder / _FILES[1]
        raise UserError(f"{path}: pad_token: found none, expected the token that pads a batch")
    return cast("PreTrainedTokenizerFast", tokenizer)


def _class_for(folder: Path) -> Any:
    """What AutoTokenizer would choose, without it where that is known: it imports torch."""
    import transformers

    usual = _usual(folder)
    name = _declared(folder) or usual
    if name in _PLAIN or usual in _PLAIN:
        return transformers.PreTrainedTokenizerFast
    bare = name.removesuffix("Fast")
    known = {kind.tokenizer for kind in ARCHITECTURES.values()}
    return getattr(transformers, bare if bare in known else "AutoTokenizer")


def _usual(folder: Path) -> str:
    """That of the model's type; XLM-R's where nothing says what the model is."""
    model_type = (read_json(folder / CONFIG) or {}).get("model_type", "xlm-roberta")
    return ARCHITECTURES.get(model_type, UNKNOWN).tokenizer


def _declared(folder: Path) -> str | None:
    """The class that the tokenizer's, else the model's, configuration names."""
    for name in (_FILES[1], CONFIG):
        found = (read_json(folder / name) or {}).get("tokenizer_class")
        if found:
            return str(found)
    return None
