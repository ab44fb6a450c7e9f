"""Tokenising a pool into the cache: in parallel, streamed to disk, by one of all who ask. No torch.

Rows are cut into chunks of a fixed size, so that the bytes are the same however many processes
share the work.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xtl.data.claims import build_once
from xtl.data.tokens import ArrayWriter
from xtl.errors import UserError
from xtl.model.tokenizer import load_tokenizer, tokenizer_hash
from xtl.tasks.families import feature_maker
from xtl.tasks.family import Row
from xtl.tasks.pool_arrays import COLUMNS as ARRAYS
from xtl.tasks.pool_arrays import Ints, packed
from xtl.tasks.pool_facts import facts_of
from xtl.tasks.pools import CACHE, Pool, PoolRequest, description, has_pool, open_pool

if TYPE_CHECKING:
    from xtl.data.hub import Report


_WHY_NONE = {
    "span-qa": "no token has a part of their answer",
    "masked-lm": "they have no token that could be masked",
}
"""Why rows of a family may give no window."""

CHUNK_ROWS = 1024
WORKER_CHUNKS = 8  # below that a process takes longer to start than it helps
_REPORT_SECONDS = 2.0
_THREADS = "TOKENIZERS_PARALLELISM"  # the library's own switch

Rows = Any
"""A `datasets.Dataset`, or a Sequence of rows."""


@dataclass(frozen=True)
class _Work:
    request: PoolRequest
    tokenizer: Path


def ensure_pool(
    mirror_root: Path,
    request: PoolRequest,
    rows: Callable[[], Rows],
    tokenizer_folder: Path,
    *,
    processes: int,
    report: Report,
) -> Pool:
    """The pool, tokenised now if nobody did it before; of many who ask at once one does it.

    `rows` gives the canonical rows of the request's tables, one after another; it is called by
    the builder alone. UserError for another tokenizer than the request's.
    """
    if has_pool(mirror_root, request):
        return open_pool(mirror_root, request)
    found = tokenizer_hash(tokenizer_folder)
    if found != request.tokenizer:
        raise UserError(
            f"{tokenizer_folder}: found tokenizer {found[:12]}…, expected {request.tokenizer[:12]}…"
        )
    work = _Work(request, tokenizer_folder)
    build_once(
        request.folder(mirror_root),
        mirror_root / CACHE / ".building" / request.key,
        lambda folder: _build(folder, work, rows(), processes, report),
        lambda line: report(f"tokens of {request.name}: {line}"),
    )
    return open_pool(mirror_root, request)


def _build(folder: Path, work: _Work, rows: Rows, processes: int, report: Report) -> None:
    request = work.request
    writer = ArrayWriter(folder, ARRAYS)
    try:
        facts = facts_of(_chunks(rows), request.family)
        writer.append(facts)
        if request.shuffle_seed is not None:
            from xtl.data.controls import shuffle_labels

            whole = [row for chunk in _chunks(rows) for row in chunk]
            rows = shuffle_labels(whole, facts["digests"], request.shuffle_seed)
        made = _tokenised_chunks(rows, work, processes)
        about = _write(writer, made, request, len(rows), report)
        writer.seal(
            request.key,
            description(request) | about | {"pad": load_tokenizer(work.tokenizer).pad_token_id},
        )
    finally:
        writer.close()


def _chunks(rows: Rows) -> Iterator[list[Row]]:
    """The rows, a few at a time: a data set's are plain objects no longer than they are needed."""
    for start in range(0, len(rows), CHUNK_ROWS):
        places = range(start, min(len(rows), start + CHUNK_ROWS))
        if hasattr(rows, "to_list"):
            yield rows.select(places).to_list()
        else:
            yield list(rows[places.start : places.stop])


def _write(
    writer: ArrayWriter,
    chunks: Iterator[dict[str, Ints]],
    request: PoolRequest,
    total: int,
    report: Report,
) -> dict[str, int]:
    """Append all chunks as they come; counts of rows and windows, and of rows without any."""
    ends = {"id": 0, "label": 0, "window": 0}
    writer.append({f"{level}_starts": np.zeros(1, dtype=np.int64) for level in ends})
    name, done, left_out = request.name, 0, 0
    say = _at_intervals(report)
    for chunk in chunks:
        say(f"tokenising {name}: {done:,} of {total:,} rows")
        done += len(chunk["window_counts"])
        left_out += int((chunk["window_counts"] == 0).sum())
        writer.append(_with_starts(chunk, ends))
    report(f"tokenising {name}: {done:,} of {total:,} rows")
    if left_out:
        why = _WHY_NONE.get(request.family, "they have no tokens")
        report(f"{name}: {left_out:,} rows give no window: {why}")
    return {"rows": done, "left_out": left_out, "windows": ends["window"], "tokens": ends["id"]}


def _with_starts(chunk: Mapping[str, Ints], ends: dict[str, int]) -> dict[str, Ints]:
    """The chunk with starts in place of its counts; `ends` moves on to where it ends."""
    arrays: dict[str, Ints] = {}
    for name, piece in chunk.items():
        level, _, kind = name.rpartition("_")
        if kind == "counts":
            arrays[f"{level}_starts"] = ends[level] + np.cumsum(piece)
            ends[level] += int(piece.sum())
        else:
            arrays[name] = piece
    return arrays


def _at_intervals(report: Report) -> Report:
    """Passes on a line at once, and then no more than one in two seconds."""
    due = time.monotonic()

    def say(line: str) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _REPORT_SECONDS
            report(line)

    return say


# -- the work, in this process or in several --------------------------------------------------
def _tokenised_chunks(rows: Rows, work: _Work, processes: int) -> Iterator[dict[str, Ints]]:
    """Arrays of each chunk, in order; a few chunks at most are in memory."""
    workers = min(processes, len(rows) // (CHUNK_ROWS * WORKER_CHUNKS))
    chunks = _chunks(rows)
    return _in_parallel(chunks, work, workers) if workers > 1 else _alone(chunks, work)


def _alone(chunks: Iterator[Sequence[Row]], work: _Work) -> Iterator[dict[str, Ints]]:
    with _without_threads():
        for chunk in chunks:
            yield _tokenised(work, chunk)


def _in_parallel(
    chunks: Iterator[Sequence[Row]], work: _Work, workers: int
) -> Iterator[dict[str, Ints]]:
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_worker)
    handed: deque[Future[dict[str, Ints]]] = deque()
    try:
        for chunk in chunks:
            handed.append(pool.submit(_tokenised, work, chunk))
            if len(handed) > 2 * workers:
                yield handed.popleft().result()
        while handed:
            yield handed.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            f"tokenising {work.request.name}: found that one of {workers} processes ended, "
            "expected it to last: its own words stand above; if there are none, it may have been "
            "killed for want of memory: use fewer (`--cores`)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _tokenised(work: _Work, rows: Sequence[Row]) -> dict[str, Ints]:
    maker = feature_maker(work.request.family)
    make = maker.train_features if work.request.use == "train" else maker.evaluate_features
    features = make(rows, load_tokenizer(work.tokenizer), work.request.settings)
    return packed(features, len(rows))


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    os.environ[_THREADS] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's workers outlive a parent that is killed, unless they look."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _without_threads() -> Iterator[None]:
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
