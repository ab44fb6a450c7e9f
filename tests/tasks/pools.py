"""Tokenised pools for tests, made as `prepare` makes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xtl.model.tokenizer import tokenizer_hash
from xtl.tasks.family import FeatureSettings
from xtl.tasks.pools import Pool, PoolRequest, Use
from xtl.tasks.settings import DecodingSettings, Recipe
from xtl.tasks.tokenising import ensure_pool

Rows = Sequence[Mapping[str, Any]]

SETTINGS = FeatureSettings(max_length=64, doc_stride=16)


def request_for(
    rows: Rows,
    tokenizer_folder: Path,
    *,
    family: str = "span-qa",
    use: Use = "train",
    settings: Recipe | DecodingSettings | FeatureSettings = SETTINGS,
    shuffle_seed: int | None = None,
) -> PoolRequest:
    """With the rows' own hash as their table's."""
    content = hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest()
    chosen = settings if isinstance(settings, FeatureSettings) else FeatureSettings.of(settings)
    tokenizer = tokenizer_hash(tokenizer_folder)
    return PoolRequest("own", family, use, (content,), tokenizer, chosen, shuffle_seed)


def pool_of(mirror: Path, rows: Rows, tokenizer_folder: Path, **fields: Any) -> Pool:
    """Of these rows; `fields` are those of `request_for`."""
    request = request_for(rows, tokenizer_folder, **fields)
    return ensure_pool(
        mirror, request, lambda: rows, tokenizer_folder, processes=1, report=lambda line: None
    )
