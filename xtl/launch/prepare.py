"""Prepare: resolve a manifest's model and data to revisions in the mirror, and write the lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.data.leakage import SEQUENCE_WORDS, Overlap, Passages
from xtl.errors import UserError
from xtl.launch.measure import Reader, locked_model, locked_table, read_tokenizer
from xtl.sweep.lock import Lock, LockedModel, LockedTable, key_of, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import passage_pairs, tables_of

if TYPE_CHECKING:
    from xtl.data.mirror import Mirror, Snapshot
    from xtl.data.sources import Kind

Report = Callable[[str], None]
_ANEW = "start a new sweep folder (or delete lock.json, and all is run anew)"


def missing(manifest: Manifest, lock: Lock | None, mirror: Mirror) -> list[str]:
    """What the lock or the mirror does not have yet, by name. Empty: nothing to prepare."""
    refs = tables_of(manifest)
    if lock is None or lock.model.repo != manifest.model.repo:
        return [manifest.model.repo, *map(key_of, refs)]
    model = [] if mirror.has(lock.model.repo, lock.model.revision) else [lock.model.repo]
    tables = [key_of(ref) for ref in refs if not _is_there(lock.tables.get(key_of(ref)), mirror)]
    compared = _pairs(manifest) <= set(lock.leakage_checked)
    return [*model, *tables, *([] if compared else ["the leakage verdict"])]


def is_complete(manifest: Manifest, lock: Lock | None, mirror: Mirror) -> bool:
    return not missing(manifest, lock, mirror)


def prepare(
    manifest: Manifest, lock: Lock | None, mirror: Mirror, cache: Path, report: Report
) -> Lock:
    """The lock with all that the manifest needs, and the mirror with all that the lock names.

    What is locked stays as it is locked, and a data set at one revision: UserError where that can
    no longer be had. UserError where a training table overlaps with an evaluation table.
    """
    source = _Source(mirror, cache, report)
    kept = lock if lock and lock.model.repo == manifest.model.repo else None
    model = source.model(manifest.model.repo, kept.model if kept else None)
    refs = tables_of(manifest)
    pinned = _pinned(kept) if kept else {}
    repos = dict.fromkeys(ref.repo for ref in refs)
    reader = Reader({repo: source.data(repo, pinned.get(repo)) for repo in repos})
    tokenizer = read_tokenizer(mirror.find(model.repo, model.revision))
    tables = dict(kept.tables) if kept else {}
    wanted = [ref for ref in refs if key_of(ref) not in tables]
    for number, ref in enumerate(wanted, 1):
        report(f"reading {key_of(ref)} ({number}/{len(wanted)})")
        tables[key_of(ref)] = locked_table(ref, reader, tokenizer)
    checked = set(kept.leakage_checked) if kept else set()
    _require_no_leakage(manifest, checked, reader, report)
    return Lock(
        model=model,
        tables=dict(sorted(tables.items())),
        leakage=kept.leakage if kept else {},
        leakage_checked=tuple(sorted(checked | _pairs(manifest))),
    )


def _is_there(table: LockedTable | None, mirror: Mirror) -> bool:
    return table is not None and mirror.has(table.repo, table.revision)


def _pairs(manifest: Manifest) -> set[str]:
    pairs = passage_pairs(manifest).items()
    return {pair_of(training, asked) for training, evaluations in pairs for asked in evaluations}


def _pinned(lock: Lock) -> dict[str, str]:
    """The revision at which each data set is locked: tables of two could come of two versions."""
    pinned: dict[str, str] = {}
    for table in lock.tables.values():
        first = pinned.setdefault(table.repo, table.revision)
        if first != table.revision:
            raise UserError(
                f"lock.json: tables: found {table.repo} at {first} and at {table.revision}, "
                f"expected one revision: {_ANEW}"
            )
    return pinned


@dataclass(frozen=True)
class _Source:
    """What is locked, from the mirror; what it lacks, from where it can be had."""

    mirror: Mirror
    cache: Path
    report: Report

    def model(self, repo: str, locked: LockedModel | None) -> LockedModel:
        if locked and self.mirror.has(repo, locked.revision):
            return locked
        found = locked_model(self._obtain(repo, "model"))
        if locked and found.fingerprint != locked.fingerprint:
            raise self._other("model.fingerprint", repo, found.fingerprint, locked.fingerprint)
        return found

    def data(self, repo: str, locked: str | None) -> Path:
        """The data set's folder in the mirror, at the locked revision where there is one."""
        if locked and self.mirror.has(repo, locked):
            return self.mirror.find(repo, locked)
        found = self._obtain(repo, "dataset")
        if locked and found.revision != locked:
            raise self._other("tables", repo, found.revision, locked)
        return found.folder

    def _obtain(self, repo: str, kind: Kind) -> Snapshot:
        from xtl.data.sources import obtain

        hub = os.environ.get("XTL_HUB")
        place = Path(hub) if hub else None
        return obtain(repo, kind, self.mirror, cache=self.cache, hub=place, report=self.report)

    def _other(self, key: str, repo: str, found: str, locked: str) -> UserError:
        return UserError(
            f"lock.json: {key}: {repo} is {found} now, expected {locked}, which the mirror "
            f"{self.mirror.root} does not have: put that back, or {_ANEW}"
        )


def _require_no_leakage(
    manifest: Manifest, checked: set[str], reader: Reader, report: Report
) -> None:
    """UserError where a pair of tables that is not in `checked` overlaps."""
    found: dict[str, Overlap] = {}
    for training, evaluations in passage_pairs(manifest).items():
        new = [asked for asked in evaluations if pair_of(training, asked) not in checked]
        if new:
            report(f"comparing {key_of(training)} with {len(new)} evaluation tables")
            passages = Passages.of(reader.contexts(training))
            pairs = {pair_of(training, ref): passages.overlap(reader.contexts(ref)) for ref in new}
            found |= {pair: overlap for pair, overlap in pairs.items() if overlap}
    if found:
        pair, overlap = next(iter(found.items()))
        others = f" (and {len(found) - 1} more pairs of tables)" if len(found) > 1 else ""
        raise UserError(
            f"leakage: {pair}: found {overlap.contexts} evaluation contexts in the training table "
            f"and {overlap.sequences} that share {SEQUENCE_WORDS} words in a row with it{others}, "
            "expected none: choose another training task or target"
        )
