"""What is known of models and tables before they are resolved, so that a plan can be looked at."""

from __future__ import annotations

from dataclasses import dataclass

from xtl.sweep.lock import Lock, LockedModel, LockedTable, key_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, needs


@dataclass(frozen=True)
class _Figures:
    """Counts of parameters without a head, and the encoder's shape, from its configuration."""

    parameters: int
    embedding_parameters: int
    layers: int
    hidden: int
    heads: int


# Conneau et al. 2020, table 5, gives 550M and 270M; exact from the published configurations:
# 250,002 pieces, 514 positions, one token type, feed-forward 4 x hidden, no pooler.
_MODELS = {
    "FacebookAI/xlm-roberta-large": _Figures(558_840_832, 256_002_048, 24, 1024, 16),
    "FacebookAI/xlm-roberta-base": _Figures(277_453_056, 192_001_536, 12, 768, 12),
    "xtl/multilingual-e5-small-q4": _Figures(117_492_864, 96_000_768, 12, 384, 12),
}
_NOTHING = _Figures(0, 0, 0, 0, 0)


def provisional_lock(manifest: Manifest) -> Lock:
    """A lock that names what is not yet resolved, with published counts and estimated lengths."""
    tables = {key_of(need.ref): _table(need) for need in needs(manifest)}
    return Lock(model=_model(manifest.model.repo), tables=tables)


def _model(repo: str) -> LockedModel:
    figures = _MODELS.get(repo, _NOTHING)
    return LockedModel(repo=repo, revision="", fingerprint=f"unlocked:{repo}", **vars(figures))


def _table(need: Need) -> LockedTable:
    return LockedTable(
        repo=need.ref.repo,
        revision="",
        config=need.ref.config,
        split=need.ref.split,
        form=need.ref.form,
        part=need.ref.part,
        rows=need.rows,
        content=f"unlocked:{key_of(need.ref)}",
        mean_tokens=need.tokens,
    )
