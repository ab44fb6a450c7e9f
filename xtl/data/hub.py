"""The Hugging Face hub: what a repo holds at a commit, and the bytes of its files.

Promised: every file has the size and the hash that the hub lists for it, or none is handed over.
A download that was cut, or killed, goes on where it ended: whole files stay, half ones continue
by HTTP Range. At most four files come at once, by plain HTTP, and no lock is taken: the client's
`snapshot_download` throws half files away, and locks each file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from xtl.data.mirror import file_hash
from xtl.errors import UserError

Kind = Literal["model", "dataset"]
Report = Callable[[str], None]

CONVERTED = "refs/convert/parquet"
_FILES_AT_ONCE = 4  # what a login node's cores bear
_REPORT_SECONDS, _ANSWER_SECONDS = 0.5, 30.0
_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_SIGN_IN = "set HF_TOKEN or run `hf auth login`"
_AGAIN = "what came is kept, run `xtl prepare` again"


@dataclass(frozen=True)
class HubFile:
    """As the hub lists it: the size in bytes; the sha256 (LFS) or git's 40 digits (all others)."""

    name: str
    size: int
    hash: str

    def fault(self, path: Path) -> str | None:
        """What is wrong with the bytes at `path`: found and expected. None: they are the hub's."""
        if (size := path.stat().st_size) != self.size:
            return f"found {size} bytes, expected {self.size}"
        found = file_hash(path) if len(self.hash) == 64 else _git_hash(path)
        return None if found == self.hash else f"found hash {found}, expected {self.hash}"


@dataclass(frozen=True)
class Listing:
    """The files of a repo at a commit, 40 hex digits."""

    repo: str
    kind: Kind
    commit: str
    files: tuple[HubFile, ...]


def list_files(repo: str, kind: Kind, commit: str | None = None) -> Listing:
    """What the repo holds at `commit`, or at the head of main. UserError where none can be had."""
    with _clear_errors(repo, kind):
        return _ask(repo, kind, commit)


def list_converted(repo: str) -> Listing | None:
    """The hub's own tables of a data set, `<config>/<split>/0000.parquet`; None: it made none."""
    from huggingface_hub.errors import RevisionNotFoundError

    with _clear_errors(repo, "dataset"):
        try:
            return _ask(repo, "dataset", CONVERTED)
        except RevisionNotFoundError:
            return None


def download(listing: Listing, folder: Path, report: Report) -> None:
    """Bring exactly the listed files into `folder`, going on with what an earlier call left there.

    `report` takes progress, twice a second. UserError where a file is not what the hub lists (it
    is removed), or cannot be had (what came stays for the next call).
    """
    from huggingface_hub.utils.tqdm import disable_progress_bars

    with _clear_errors(listing.repo, listing.kind), disable_progress_bars():
        _require_room(listing, folder)
        _fetch_all(listing, folder, report)
    wanted = {folder / file.name for file in listing.files}
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()


def _ask(repo: str, kind: Kind, revision: str | None) -> Listing:
    from huggingface_hub import HfApi

    info: Any = HfApi().repo_info(
        repo, repo_type=kind, revision=revision, files_metadata=True, timeout=_ANSWER_SECONDS
    )
    return Listing(repo, kind, info.sha, tuple(map(_hub_file, info.siblings or ())))


def _hub_file(sibling: Any) -> HubFile:
    lfs = sibling.lfs
    size, digest = (lfs.size, lfs.sha256) if lfs else (sibling.size, sibling.blob_id)
    if size is None or digest is None:
        raise UserError(f"hub: {sibling.rfilename}: found no size or no hash, expected both listed")
    return HubFile(sibling.rfilename, size, digest)


def _git_hash(path: Path) -> str:
    """git's name for a file's content: sha1 of `blob <size>`, a zero byte and the bytes."""
    head = b"blob %d\0" % path.stat().st_size
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(head)).hexdigest()


def _require_room(listing: Listing, folder: Path) -> None:
    missing = sum(file.size - _bytes_of(file, folder) for file in listing.files)
    if missing > (free := shutil.disk_usage(folder).free):
        raise OSError(errno.ENOSPC, f"found {free} bytes free, expected {missing}", str(folder))


def _fetch_all(listing: Listing, folder: Path, report: Report) -> None:
    stop = threading.Event()  # set when one failed
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        files = {pool.submit(_fetch, listing, file, folder, stop): file for file in listing.files}
        try:
            for line in _progress(listing, files, folder):
                report(line)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(listing: Listing, file: HubFile, folder: Path, stop: threading.Event) -> None:
    """The file under its own name, after its half file has all bytes and the right ones."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    path, half = folder / file.name, _half(folder / file.name)
    if path.is_file() and file.fault(path) is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if half.is_file() and half.stat().st_size > file.size:
        half.unlink()
    url = hf_hub_url(listing.repo, file.name, repo_type=listing.kind, revision=listing.commit)
    with _HalfFile(half, stop) as stream:
        if (begin := stream.tell()) < file.size:
            http_get(url, cast(BinaryIO, stream), resume_size=begin, headers=build_hf_headers())
    if fault := file.fault(half):
        half.unlink()
        raise UserError(
            f"hub: {listing.kind} {listing.repo}: {file.name}: {fault}: it was removed, "
            "run `xtl prepare` again"
        )
    half.replace(path)


class _HalfFile(io.FileIO):
    """A file that grows at its end; unbuffered, so that what was written survives a kill."""

    def __init__(self, path: Path, stop: threading.Event) -> None:
        super().__init__(path, "a")
        self._stop = stop

    def write(self, data: Any) -> int:
        """All of `data`; OSError where the disk is full or another file failed."""
        if self._stop.is_set():
            raise InterruptedError("another file could not be had")
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        return memoryview(data).nbytes


def _half(path: Path) -> Path:
    return path.with_name(f".{path.name}.half")


def _bytes_of(file: HubFile, folder: Path) -> int:
    """How many of the file's bytes are there."""
    for path in (folder / file.name, _half(folder / file.name)):
        with contextlib.suppress(FileNotFoundError):
            return min(path.stat().st_size, file.size)
    return 0


def _progress(listing: Listing, files: dict[Future[None], HubFile], folder: Path) -> Iterator[str]:
    """A line whenever it says something new, until all files are there; raises what one raised."""
    total, said, left = sum(file.size for file in listing.files), "", set(files)
    unit, scale = next((known for known in _UNITS if total >= known[1]), _UNITS[-1])
    while left:
        done, left = wait(files, timeout=_REPORT_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        have = sum(files[future].size for future in done)
        have += sum(_bytes_of(files[future], folder) for future in left if future.running())
        amount = f"{have / scale:.1f} of {total / scale:.1f} {unit}"
        line = f"{listing.repo}: {len(done)} of {len(files)} files, {amount}"
        if line != said:
            yield line
        said = line


@contextlib.contextmanager
def _clear_errors(repo: str, kind: Kind) -> Iterator[None]:
    """Turn what the hub's client and the disk raise into one line that says what to do."""
    from huggingface_hub import errors

    # The base of the client's own errors, whichever HTTP library this version is built on.
    http_error: Any = errors.HfHubHTTPError.__mro__[1]
    try:
        yield
    except (OSError, http_error, errors.HFValidationError, json.JSONDecodeError) as error:
        raise UserError(f"hub: {_advice(error, repo, kind)}") from error


def _advice(error: Exception, repo: str, kind: Kind) -> str:
    from huggingface_hub import HfApi, errors

    what = f"{kind} {repo}"
    status = getattr(getattr(error, "response", None), "status_code", 0)
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    match error:
        case errors.GatedRepoError():
            page = f"{HfApi().endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo}"
            return f"{what} is gated: accept its terms at {page}, then {_SIGN_IN}"
        case errors.RepositoryNotFoundError() | errors.HFValidationError():
            return f"found no {what}: check the name (for a private one, {_SIGN_IN})"
        case errors.RevisionNotFoundError():
            return f"{what} has no such commit any more: start a new sweep folder to lock today's"
        case errors.OfflineModeIsEnabled():
            return f"{what} is not in the mirror, and HF_HUB_OFFLINE forbids to fetch it: unset it"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return f"{what}: {first}: make room, or move the mirror (XTL_MIRROR); {_AGAIN}"
    if status in (401, 403):
        return f"{what} was refused ({status}): {_SIGN_IN}, with a token that may read it"
    if status == 429 or status >= 500:
        return f"{what}: the hub is too busy or in trouble ({status}): wait some minutes; {_AGAIN}"
    other = "where there is network, or name with XTL_HUB a folder that holds it"
    return f"{what} could not be fetched ({first}): {_AGAIN} {other}"
