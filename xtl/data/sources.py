"""Where a model or a data set comes from, and how it gets into the mirror.

Three sources, in this order: xtl makes it itself; a local folder laid out as the hub is has it;
the Hugging Face hub has it. All end as a snapshot of data files alone: no script is ever taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from xtl.data import encoder, lookup
from xtl.data.mirror import Mirror, Snapshot, content_hash
from xtl.errors import UserError

Kind = Literal["model", "dataset"]
Report = Callable[[str], None]

_TABLES = (".parquet", ".json", ".jsonl", ".csv", ".tsv", ".txt")
_WEIGHTS = (".safetensors",)
TAKEN_SUFFIXES = (*_TABLES, *_WEIGHTS, ".md", ".model")
_COMPUTES = (*_WEIGHTS, ".json", ".model")
_VOCABULARIES = ("vocab.txt", "merges.txt")
_NEEDED: Mapping[Kind, tuple[str, ...]] = {"model": _WEIGHTS, "dataset": _TABLES}


@dataclass(frozen=True)
class Source:
    """How to fill a folder with a repo's files, and the recipe that decides what they will be."""

    recipe: Mapping[str, Any]
    fill: Callable[[Path], None]


def obtain(
    repo: str, kind: Kind, mirror: Mirror, *, cache: Path, hub: Path | None, report: Report
) -> Snapshot:
    """The repo's snapshot in the mirror, put there first where its recipe is not known yet.

    `cache` keeps downloaded packages, `hub` is a local folder laid out as the hub is (or None),
    `report` takes one line a step. UserError where no source has the repo.
    """
    source = _source(repo, kind, cache, hub, report)
    known = mirror.recall(repo, source.recipe)
    if known is not None:
        report(f"{repo}: in the mirror already, {known.revision}")
        return known
    with mirror.staging() as staged:
        source.fill(staged)
        _require(repo, kind, staged)
        snapshot = mirror.publish(repo, staged)
    mirror.remember(source.recipe, snapshot)
    report(f"{repo}: in the mirror now, {snapshot.revision}")
    return snapshot


def model_hash(folder: Path) -> str:
    """Content hash, 64 hex digits, of the files that a model computes with: weights,
    configuration and tokenizer. A note beside them, such as a README.md, changes nothing."""
    return content_hash(folder, lambda path: path.suffix in _COMPUTES or path.name in _VOCABULARIES)


def _source(repo: str, kind: Kind, cache: Path, hub: Path | None, report: Report) -> Source:
    if repo == encoder.REPO:
        return Source(encoder.recipe(), partial(encoder.build, cache=cache, report=report))
    if repo == lookup.REPO:
        return Source(lookup.recipe(), partial(_build_lookup, report=report))
    if hub is not None and (hub / repo).is_dir():
        return _from_folder(hub / repo, report)
    return _from_hub(repo, kind, report)


def _build_lookup(folder: Path, report: Report) -> None:
    report(f"{lookup.REPO}: composing questions from CLDR")
    lookup.build(folder)


def _from_folder(folder: Path, report: Report) -> Source:
    """A local hub folder; its recipe is what its files' sizes and times say, as make's is."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_taken(path)]
    listing = hashlib.sha256()
    for path in files:
        status = path.stat()
        name = path.relative_to(folder).as_posix()
        listing.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())

    def fill(staged: Path) -> None:
        report(f"copying {len(files)} files from {folder}")
        for path in files:
            target = staged / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    return Source({"folder": listing.hexdigest()}, fill)


def _from_hub(repo: str, kind: Kind, report: Report) -> Source:
    """The hub's main branch; its recipe is the commit, asked for once."""
    import huggingface_hub

    with _hub_errors(repo, kind):
        commit = huggingface_hub.HfApi().repo_info(repo, repo_type=kind).sha

    def fill(staged: Path) -> None:
        report(f"{repo}: downloading {commit} from the hub")
        with _hub_errors(repo, kind):
            huggingface_hub.snapshot_download(
                repo,
                repo_type=kind,
                revision=commit,
                local_dir=staged,
                allow_patterns=[f"*{suffix}" for suffix in TAKEN_SUFFIXES],
            )
        shutil.rmtree(staged / ".cache", ignore_errors=True)  # the client's own bookkeeping

    return Source({"hub": repo, "commit": commit}, fill)


@contextlib.contextmanager
def _hub_errors(repo: str, kind: Kind) -> Iterator[None]:
    """Turn what the hub's client raises into one line that says what to do."""
    from huggingface_hub import errors

    # The base of the client's own errors, whichever HTTP library this version is built on.
    http_error: Any = errors.HfHubHTTPError.__mro__[1]
    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(
            f"hub: {kind} {repo} is gated: accept its terms on its page, then set HF_TOKEN"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise UserError(
            f"hub: found no {kind} {repo}: check the name (a private one needs HF_TOKEN)"
        ) from error
    except (OSError, http_error) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"hub: {kind} {repo} could not be fetched ({first}): try again, or name with XTL_HUB "
            "a folder that holds it"
        ) from error


def _is_taken(path: Path) -> bool:
    return path.suffix in TAKEN_SUFFIXES


def _require(repo: str, kind: Kind, staged: Path) -> None:
    """UserError where nothing came that can be read as a model or as data."""
    needed = _NEEDED[kind]
    if not any(path.suffix in needed for path in staged.rglob("*")):
        raise UserError(
            f"{kind} {repo}: found no file of data, expected one of *{', *'.join(needed)}"
        )
