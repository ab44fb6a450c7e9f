"""The tokenizer that lies beside a model's weights, read once a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xtl.data.mirror import file_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_FILES = ("tokenizer.json", "tokenizer_config.json")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """From the folder alone. XLM-R's takes seconds to read, and every checkpoint of a chain has
    the same files: what was read is known again by their content."""
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    return _load(tuple(file_hash(path) for path in files), _Place(folder))


class _Place:
    """A folder that counts for nothing in the cache's key: any with the same files will do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=4)
def _load(content: tuple[str, ...], place: _Place) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(place.folder, local_files_only=True)
    return cast("PreTrainedTokenizerFast", tokenizer)
