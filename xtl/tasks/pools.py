"""Pools of the token cache: what names one, and how training and evaluation read it. No torch.

A pool is the rows of one or more tables, one after another, tokenised once for a tokenizer and
settings (`xtl.tasks.tokenising`). It lies in the mirror, at `.tokens/<2 digits>/<key>/`; the key
is a hash of all that can change its content, so that nobody can find a stale one. All that a
subset needs lies beside the tokens: no rows are read again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xtl.data import subsets
from xtl.data.subsets import Indices
from xtl.data.tokens import FORMAT, check_arrays, open_arrays
from xtl.errors import UserError
from xtl.tasks.families import feature_maker
from xtl.tasks.family import FeatureSettings
from xtl.tasks.pool_arrays import LAYOUT, Features, Windows
from xtl.tasks.settings import DecodingSettings, Recipe

CACHE = ".tokens"
Use = Literal["train", "evaluate"]
By = Literal["example", "paragraph"]


@dataclass(frozen=True)
class PoolRequest:
    """All that a pool's content depends on.

    `name` is for people, and no part of the key. `tables` are the content hashes of its tables,
    in order; `tokenizer` is `xtl.model.tokenizer.tokenizer_hash`'s; with `shuffle_seed`, labels
    are dealt anew over the whole pool.
    """

    name: str = field(compare=False)
    family: str
    use: Use
    tables: tuple[str, ...]
    tokenizer: str
    settings: FeatureSettings
    shuffle_seed: int | None = None

    @classmethod
    def training(
        cls, name: str, family: str, tables: Sequence[str], tokenizer: str, recipe: Recipe,
        labels: tuple[str, ...] = (), shuffle_seed: int | None = None,
    ) -> PoolRequest:  # fmt: skip
        """What a training reads; `shuffle_seed` for the shuffled-label control alone."""
        settings = FeatureSettings.of(recipe, labels)
        return cls(name, family, "train", tuple(tables), tokenizer, settings, shuffle_seed)

    @classmethod
    def evaluation(
        cls, name: str, family: str, tables: Sequence[str], tokenizer: str,
        decoding: DecodingSettings,
    ) -> PoolRequest:  # fmt: skip
        """What an evaluation reads, of one language."""
        settings = FeatureSettings.of(decoding)
        return cls(name, family, "evaluate", tuple(tables), tokenizer, settings)

    @property
    def key(self) -> str:
        """64 hex digits. UserError for a family that is unknown."""
        body = {
            "tables": self.tables,
            "tokenizer": self.tokenizer,
            "family": self.family,
            "use": self.use,
            "settings": self.settings.model_dump(mode="json"),
            "shuffle_seed": self.shuffle_seed,
            "versions": [FORMAT, LAYOUT, feature_maker(self.family).version, *_libraries()],
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def folder(self, mirror_root: Path) -> Path:
        key = self.key
        return mirror_root / CACHE / key[:2] / key


class Pool:
    """A pool that is open: its tokens are mapped, not read.

    `rows` are all rows, `windows` their features; `left_out` counts rows without a window (a span
    of no token): they are examples of a subset, and nothing is trained on them. `pad` is the
    tokenizer's id for padding.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        arrays = open_arrays(folder, key)
        self._views = arrays.views
        self.name = str(arrays.about["name"])
        self.pad = int(arrays.about["pad"])
        self.left_out = int(arrays.about["left_out"])
        self.rows = len(self._views["digests"])
        self.windows = len(self._views["parts"])
        self.tokens = len(self._views["ids"])

    def __reduce__(self) -> tuple[type[Pool], tuple[Path, str]]:
        return Pool, (self.folder, self.key)  # another process maps it anew

    def subset(
        self, examples: int, seed: int, by: By = "example", held_out: int = 0
    ) -> Indices:  # fmt: skip
        """Rows of the first `examples`, best ranked first, so that a smaller subset is a prefix.

        Stratified by class where the pool has classes. What `held_out(held_out, seed)` has is not
        among them. UserError where the pool has fewer rows, or no paragraphs to go by.
        """
        ranked = self._ranking(seed, by)
        if held_out:
            ranked = ranked[~np.isin(ranked, self.held_out(held_out, seed))]
        if not 0 <= examples <= len(ranked):
            raise UserError(
                f"{self.name}: found {len(ranked):,} rows, expected {examples:,} or more"
            )
        return ranked[:examples]

    def held_out_after(self, after: int, seed: int, by: By = "example") -> Indices:
        """Rows that `subset(after, seed, by)` does not have, nor any of their paragraphs."""
        return subsets.held_out_after(self._ranking(seed, by), self._paragraphs(), after)

    def held_out(self, count: int, seed: int) -> Indices:
        """`count` rows at most, by whole paragraphs, for no training of this seed to see."""
        return subsets.held_out(self._ranking(seed, "example"), self._paragraphs(), count)

    def rows_to_judge_by(self, count: int, seed: int) -> int:
        """How many rows of `held_out(count, seed)` have a window. Nothing is ranked where there are
        as many that stand alone: then no passage is too large."""
        sizes = Counter(self._paragraphs())
        if not self.left_out and sum(size == 1 for size in sizes.values()) >= count:
            return count
        return int(np.count_nonzero(self._counts(self.held_out(count, seed))))

    def features(self, rows: Indices | None = None) -> Features:
        """Windows of these rows in their order (default: of all), as examples 0, 1, …"""
        chosen = np.arange(self.rows) if rows is None else rows
        starts = self._views["window_starts"]
        first, counts = starts[chosen], self._counts(chosen)
        examples = np.repeat(np.arange(len(chosen)), counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        windows = np.repeat(first, counts) + np.arange(len(examples)) - before
        return Features(self._views, windows, examples)

    def examples(self, rows: Indices) -> Windows:
        """The same, by example; rows without a window are not among them."""
        return Windows(self.features(rows), self._counts(rows))

    def each_window(self, rows: Indices) -> Windows:
        """The same windows, each as an example of its own."""
        features = self.features(rows)
        return Windows(features, np.ones(len(features), dtype=np.int64))

    def _counts(self, rows: Indices) -> Indices:
        starts = self._views["window_starts"]
        counts: Indices = starts[rows + 1] - starts[rows]
        return counts

    def _ranking(self, seed: int, by: By) -> Indices:
        digests, strata = self._views["digests"], self._views["strata"]
        if by == "paragraph":
            groups = self._groups()
            if groups is None:
                raise UserError(f"{self.name}: found no paragraphs, expected subset: example")
            return subsets.ranking(digests, seed, groups=groups)
        return subsets.ranking(digests, seed, strata=strata if len(strata) else None)

    def _paragraphs(self) -> list[bytes]:
        """Each row's; a row is one of its own where the pool has none."""
        return self._groups() or list(subsets.key_bytes(self._views["digests"]))

    def _groups(self) -> list[bytes] | None:
        groups = self._views["groups"]
        return list(subsets.key_bytes(groups)) if len(groups) else None


def has_pool(mirror_root: Path, request: PoolRequest) -> bool:
    """Whether the cache has it: two small reads. UserError where it is there but cut."""
    folder = request.folder(mirror_root)
    if not folder.is_dir():
        return False
    check_arrays(folder, request.key)
    return True


def open_pool(mirror_root: Path, request: PoolRequest) -> Pool:
    """Map it, in milliseconds. UserError where the cache lacks it, or it is cut."""
    folder = request.folder(mirror_root)
    if not folder.is_dir():
        raise UserError(
            f"{mirror_root / CACHE}: found no tokens of {request.name} as {folder.name[:12]}…, "
            "expected them there (for this tokenizer, these lengths and these versions of "
            "tokenizers and transformers): run `xtl prepare`"
        )
    return Pool(folder, request.key)


@lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    return tuple(f"{name} {version(name)}" for name in ("tokenizers", "transformers"))


def description(request: PoolRequest) -> dict[str, Any]:
    """What a pool's JSON says of it, for people."""
    return {
        "name": request.name,
        "family": request.family,
        "use": request.use,
        "tables": list(request.tables),
        "tokenizer": request.tokenizer,
        "settings": request.settings.model_dump(mode="json"),
        "shuffle_seed": request.shuffle_seed,
        "libraries": list(_libraries()),
    }
