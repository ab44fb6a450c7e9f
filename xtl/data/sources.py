"""Where a model or a data set comes from, and how it gets into the mirror.

Three sources, in this order: xtl makes it itself; a local folder laid out as the hub is has it;
the Hugging Face hub has it. All end as a snapshot of data files alone: no script is ever taken.
A snapshot of the hub is named by its commit, all others by their content.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from xtl.data import encoder, hub, lookup
from xtl.data.hub import Kind as Kind
from xtl.data.hub import Report
from xtl.data.mirror import Mirror, Snapshot, content_hash
from xtl.errors import UserError

_TABLES = (".parquet", ".json", ".jsonl", ".csv", ".tsv", ".txt")
_WEIGHTS = (".safetensors",)
TAKEN_SUFFIXES = (*_TABLES, *_WEIGHTS, ".md", ".model")
_COMPUTES = (*_WEIGHTS, ".json", ".model")
_VOCABULARIES = ("vocab.txt", "merges.txt")
_NEEDED: Mapping[Kind, tuple[str, ...]] = {"model": _WEIGHTS, "dataset": _TABLES}
# What stands beside tables and is none; `datasets` passes over the first four, too.
_ABOUT = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "config.json"}
_ABOUT |= {"requirements.txt", "LICENSE.txt"}
_COMMIT = re.compile("[0-9a-f]{40}")
_MODEL = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_PART = re.compile(r"[^/]+/partial-[^/]+/\d{4}\.parquet")


@dataclass(frozen=True)
class Source:
    """How to fill a folder with a repo's files, and the recipe that decides what they will be.

    With a commit, the folder may hold what an earlier `fill` by that recipe got.
    """

    recipe: Mapping[str, Any]
    fill: Callable[[Path], None]
    commit: str | None = None


def obtain(
    repo: str,
    kind: Kind,
    mirror: Mirror,
    *,
    cache: Path,
    hub: Path | None,
    report: Report,
    revision: str | None = None,
) -> Snapshot:
    """The repo's snapshot in the mirror, put there first where its recipe is not known yet.

    `cache` keeps downloaded packages, `hub` is a local folder laid out as the hub is (or None),
    `report` takes one line a step. A `revision` that is a commit is taken from the hub in place of
    main's head; no other source can go back: compare what came. UserError where no source has it.
    """
    return put(repo, kind, _source(repo, kind, cache, hub, revision, report), mirror, report)


def put(repo: str, kind: Kind, source: Source, mirror: Mirror, report: Report) -> Snapshot:
    """The snapshot that `source` gives under the name `repo`; filled once for each recipe."""
    known = mirror.recall(repo, source.recipe)
    if known is not None:
        report(f"{repo}: in the mirror already, {known.revision}")
        return known
    with mirror.staging(source.recipe, resumes=source.commit is not None) as staged:
        source.fill(staged)
        _require(repo, kind, (path.relative_to(staged).as_posix() for path in staged.rglob("*")))
        snapshot = mirror.publish(repo, staged, source.commit)
    mirror.remember(source.recipe, snapshot)
    report(f"{repo}: in the mirror now, {snapshot.revision}")
    return snapshot


def from_folder(folder: Path, report: Report, kind: Kind = "dataset") -> Source:
    """A repo's local folder; its recipe is what its files' sizes and times say, as make's is."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    names = [name for name in names if is_taken(kind, name)]
    listing = hashlib.sha256()
    for name in names:
        status = (folder / name).stat()
        listing.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())

    def fill(staged: Path) -> None:
        report(f"copying {len(names)} files from {folder}")
        for name in names:
            target = staged / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)

    return Source({"folder": listing.hexdigest()}, fill)


def model_hash(folder: Path) -> str:
    """Content hash, 64 hex digits, of the files that a model computes with: weights,
    configuration and tokenizer. A note beside them, such as a README.md, changes nothing."""
    return content_hash(folder, lambda path: path.suffix in _COMPUTES or path.name in _VOCABULARIES)


def _source(
    repo: str, kind: Kind, cache: Path, local: Path | None, revision: str | None, report: Report
) -> Source:
    if repo == encoder.REPO:
        return Source(encoder.recipe(), partial(encoder.build, cache=cache, report=report))
    if repo == lookup.REPO:
        return Source(lookup.recipe(), partial(_build_lookup, report=report))
    if local is not None and (local / repo).is_dir():
        return from_folder(local / repo, report, kind)
    return _from_hub(repo, kind, revision, report)


def _build_lookup(folder: Path, report: Report) -> None:
    report(f"{lookup.REPO}: composing questions from CLDR")
    lookup.build(folder)


def _from_hub(repo: str, kind: Kind, revision: str | None, report: Report) -> Source:
    """The hub at a commit, that of its main branch unless `revision` names one."""
    asked = revision if revision and _COMMIT.fullmatch(revision) else None
    head = None if asked else _head(repo, kind, report)
    commit = head.commit if head else asked

    def fill(staged: Path) -> None:
        listing = head or hub.list_files(repo, kind, commit)
        files = tuple(file for file in listing.files if is_taken(kind, file.name))
        _require(repo, kind, (file.name for file in files))
        report(f"{repo}: downloading {commit} from the hub")
        hub.download(replace(listing, files=files), staged, report)

    return Source({"hub": repo, "commit": commit}, fill, commit)


def _head(repo: str, kind: Kind, report: Report) -> hub.Listing:
    """What main holds; where that is no table, what the hub made of the set for itself."""
    head = hub.list_files(repo, kind)
    if kind == "model" or any(_is_needed(kind, file.name) for file in head.files):
        return head
    converted = hub.list_converted(repo)
    if converted is None:
        return head
    report(f"{repo}: no table on its main branch, taking the hub's own {hub.CONVERTED}")
    parts = [file.name for file in converted.files if _PART.fullmatch(file.name)]
    if parts:
        report(f"{repo}: leaving out what the hub converted in part alone ({parts[0]}, …)")
    return converted


def is_taken(kind: Kind, name: str) -> bool:
    """Whether a repo's file comes into the mirror: data alone, no script, no pickle.

    Of a model what lies beside its config.json, and of its weights what transformers reads by
    itself (no `onnx/`, no half precision); of a data set no table that the hub cut short when it
    converted it. Nothing that is hidden, and so nothing outside the folder (`../`).
    """
    suffix = PurePosixPath(name).suffix
    if suffix not in TAKEN_SUFFIXES or any(part[:1] in ("", ".") for part in name.split("/")):
        return False
    if kind == "dataset":
        return not _PART.fullmatch(name)
    return "/" not in name and (suffix not in _WEIGHTS or bool(_MODEL.fullmatch(name)))


def _is_needed(kind: Kind, name: str) -> bool:
    """Whether the file is a model's weights or a data set's table."""
    path = PurePosixPath(name)
    return path.suffix in _NEEDED[kind] and path.name not in _ABOUT and is_taken(kind, name)


def _require(repo: str, kind: Kind, names: Iterable[str]) -> None:
    """UserError where nothing is there that can be read as a model or as data."""
    if not any(_is_needed(kind, name) for name in names):
        raise UserError(
            f"{kind} {repo}: found no file of data, expected one of *{', *'.join(_NEEDED[kind])}"
        )
