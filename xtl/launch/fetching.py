"""Fetching: each model and data set of a manifest into the mirror, at the locked revision."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.errors import UserError
from xtl.launch.measure import locked_model
from xtl.sweep.lock import Lock, LockedModel
from xtl.sweep.needs import Need

if TYPE_CHECKING:
    from xtl.data.hub import Report
    from xtl.data.mirror import Mirror, Snapshot
    from xtl.data.sources import Kind, Source

ANEW = "start a new sweep folder, or see what a newer one would change: `xtl prepare --update`"


def is_own(need: Need) -> bool:
    """Whether it comes from a user's files."""
    return need.place is not None and need.place.path is not None


def _with_configs(folder: Path, needs: Iterable[Need]) -> Path:
    """The locked folder. UserError where it is an own one that lacks what is asked for by now."""
    from xtl.data.loading import config_names

    for need in needs:
        if is_own(need) and need.ref.config not in config_names(folder):
            raise UserError(
                f"{folder}: found no config {need.ref.config} in what is locked, expected it: "
                "`xtl prepare --update` takes the folder as it is today"
            )
    return folder


def pinned(lock: Lock) -> dict[str, str]:
    """The revision at which each data set is locked: tables of two could come of two versions."""
    found: dict[str, str] = {}
    for table in lock.tables.values():
        first = found.setdefault(table.repo, table.revision)
        if first != table.revision:
            raise UserError(
                f"lock.json: tables: found {table.repo} at {first} and at {table.revision}, "
                f"expected one revision: {ANEW}"
            )
    return found


@dataclass(frozen=True)
class Fetching:
    """What is locked, from the mirror; what it lacks, from where it can be had."""

    mirror: Mirror
    cache: Path
    report: Report

    def model(self, repo: str, locked: LockedModel | None) -> LockedModel:
        if locked and self.mirror.has(repo, locked.revision):
            return locked
        found = locked_model(self._obtain(repo, "model", locked.revision if locked else None))
        if locked and found.fingerprint != locked.fingerprint:
            raise self._other("model.fingerprint", repo, found.fingerprint, locked.fingerprint)
        return found

    def data(self, needs: Iterable[Need], locked: dict[str, str]) -> dict[str, Path]:
        """The folder of each data set in the mirror, at the locked revision where there is one."""
        by_repo: dict[str, list[Need]] = {}
        for need in needs:
            by_repo.setdefault(need.ref.repo, []).append(need)
        return {repo: self._data(repo, of, locked.get(repo)) for repo, of in by_repo.items()}

    def _data(self, repo: str, needs: list[Need], locked: str | None) -> Path:
        own = is_own(needs[0])
        if locked and self.mirror.has(repo, locked):
            return _with_configs(self.mirror.find(repo, locked), needs)
        found = self._own(repo, needs) if own else self._obtain(repo, "dataset", locked)
        if locked and found.revision != locked:
            raise self._other("tables", repo, found.revision, locked)
        return found.folder

    def _own(self, repo: str, needs: list[Need]) -> Snapshot:
        from xtl.data.sources import put

        return put(repo, "dataset", self._own_source(needs), self.mirror, self.report)

    def _own_source(self, needs: list[Need]) -> Source:
        from xtl.data.sources import from_folder
        from xtl.tasks.own import own_source

        first = needs[0]
        place = first.place
        assert place is not None
        assert place.path is not None
        if not place.is_file:
            if not Path(place.path).is_dir():
                suffixes = "a file's name ends in .jsonl, .csv and the like, or has a `format`"
                raise UserError(f"{place.path}: found no such folder, expected one ({suffixes})")
            return from_folder(Path(place.path), self.report)
        configs = [need.ref.config for need in needs]
        files = {config: Path(place.path.replace("{language}", config)) for config in configs}
        return own_source(
            first.ref.repo,
            files,
            place.format,
            place.columns,
            first.family,
            first.labels,
            self.report,
        )

    def _obtain(self, repo: str, kind: Kind, revision: str | None) -> Snapshot:
        from xtl.data.sources import obtain

        hub = os.environ.get("XTL_HUB")
        return obtain(
            repo,
            kind,
            self.mirror,
            cache=self.cache,
            hub=Path(hub) if hub else None,
            report=self.report,
            revision=revision,
        )

    def _other(self, key: str, repo: str, found: str, locked: str) -> UserError:
        return UserError(
            f"lock.json: {key}: {repo} is {found} now, expected {locked}, which the mirror "
            f"{self.mirror.root} does not have: put that back, {ANEW}"
        )
