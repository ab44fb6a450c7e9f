"""Prepare: resolve a manifest's model and data to revisions in the mirror, and write the lock."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import filterfalse
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.data.leakage import METHOD, Index, Overlap
from xtl.launch.fetching import Fetching, is_own, pinned
from xtl.launch.measure import Reader, locked_table, read_tokenizer
from xtl.sweep.lock import Lock, LockedTable, key_of, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, needs, passage_pairs

if TYPE_CHECKING:
    from xtl.data.hub import Report
    from xtl.data.mirror import Mirror


def missing(manifest: Manifest, lock: Lock | None, mirror: Mirror) -> list[str]:
    """What the lock or the mirror does not have yet, by name. Empty: nothing to resolve."""
    keys = [key_of(need.ref) for need in needs(manifest)]
    if lock is None or lock.model.repo != manifest.model.repo:
        return [manifest.model.repo, *keys]
    model = [] if mirror.has(lock.model.repo, lock.model.revision) else [lock.model.repo]
    tables = [key for key in keys if not _is_there(lock.tables.get(key), mirror)]
    compared = _pairs(manifest) <= _checked(lock)
    return [*model, *tables, *([] if compared else ["the leakage verdict"])]


def resolve(
    manifest: Manifest, lock: Lock | None, mirror: Mirror, cache: Path, report: Report
) -> Lock:
    """The lock with all that the manifest needs, and the mirror with all that the lock names.

    What is locked stays as it is locked, and a data set at one revision: UserError where that can
    no longer be had. What training and evaluation tables share is said in the lock, and refused
    by `xtl.sweep.leaks`.
    """
    fetching = Fetching(mirror, cache, report)
    kept = lock if lock and lock.model.repo == manifest.model.repo else None
    wanted, at = needs(manifest), pinned(kept) if kept else {}
    # What is wrong with files of one's own is quick to say.
    folders = fetching.data(filter(is_own, wanted), at)
    model = fetching.model(manifest.model.repo, kept.model if kept else None)
    reader = Reader(folders | fetching.data(filterfalse(is_own, wanted), at))
    tokenizer = read_tokenizer(mirror.find(model.repo, model.revision))
    tables = dict(kept.tables) if kept else {}
    new = [need for need in wanted if key_of(need.ref) not in tables]
    for number, need in enumerate(new, 1):
        report(f"reading {key_of(need.ref)} ({number}/{len(new)})")
        tables[key_of(need.ref)] = locked_table(need, reader, tokenizer)
    checked = _checked(kept) if kept else set()
    leakage = dict(kept.leakage) if kept and checked else {}
    return Lock(
        model=model,
        tables=dict(sorted(tables.items())),
        leakage=dict(sorted((leakage | _overlaps(manifest, checked, reader, report)).items())),
        leakage_checked=tuple(sorted(checked | _pairs(manifest))),
        leakage_method=METHOD,
    )


def _checked(lock: Lock) -> set[str]:
    """The pairs that were compared as they are today."""
    return set(lock.leakage_checked) if lock.leakage_method == METHOD else set()


def _is_there(table: LockedTable | None, mirror: Mirror) -> bool:
    return table is not None and mirror.has(table.repo, table.revision)


def _pairs(manifest: Manifest) -> set[str]:
    pairs = passage_pairs(manifest).items()
    return {pair_of(training.ref, other.ref) for training, asked in pairs for other in asked}


def _overlaps(
    manifest: Manifest, checked: set[str], reader: Reader, report: Report
) -> dict[str, Overlap]:
    """What the pairs of tables that are not in `checked` share, where they share anything."""
    new: dict[Need, list[Need]] = {}
    left = _pairs(manifest) - checked
    for training, asked in passage_pairs(manifest).items():
        new[training] = [other for other in asked if pair_of(training.ref, other.ref) in left]
        left -= {pair_of(training.ref, other.ref) for other in asked}  # tasks may share a table
    index = _index({other for asked in new.values() for other in asked}, reader, report)
    found: dict[str, Overlap] = {}
    for training, asked in new.items():
        if asked:
            report(f"comparing {key_of(training.ref)} with {len(asked)} evaluation tables")
            shared = index.overlaps(reader.texts(training))
            named = {pair_of(training.ref, other.ref): shared[key_of(other.ref)] for other in asked}
            found |= {pair: overlap for pair, overlap in named.items() if overlap}
    return found


def _index(asked: Iterable[Need], reader: Reader, report: Report) -> Index:
    tables = sorted(asked, key=lambda need: key_of(need.ref))
    if tables:
        report(f"noting the passages of {len(tables)} evaluation tables")
    return Index.of({key_of(need.ref): reader.texts(need) for need in tables})
